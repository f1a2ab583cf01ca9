"""Searching, browsing, and sending a clip."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from slic.studio.asked import BrowseAsked, Number, SearchAsked, chosen, found
from slic.studio.routes.common import Here, tiles
from slic.studio.uploads import Upload, look_at

router = APIRouter(prefix="/api")


@router.post("/search")
def search(asked: SearchAsked, studio: Here) -> dict[str, Any]:
    """Return the nearest moments, best first."""
    begun = time.perf_counter()
    hits = tiles(studio, found(studio, asked))
    return {"moments": hits, "seconds": time.perf_counter() - begun}


@router.post("/browse")
def browse(asked: BrowseAsked, studio: Here) -> dict[str, Any]:
    """Return a page of the moments within what is asked, and how many there are."""
    ids = chosen(studio, asked.within)
    page = ids[asked.offset : asked.offset + asked.limit].tolist()
    return {"moments": tiles(studio, studio.index.moments(page)), "total": len(ids)}


@router.get("/moments/{moment_id}")
def moment(moment_id: Number, studio: Here) -> dict[str, Any]:
    """Return one moment."""
    return tiles(studio, studio.index.moments([moment_id]))[0]


@router.post("/uploads")
async def upload(request: Request, studio: Here) -> dict[str, Any]:
    """Take a clip, the body of the request, and say what it is."""
    studio.uploads.refuse_size(request.headers.get("content-length"))
    path = await studio.uploads.receive(request.stream())
    try:
        video = await run_in_threadpool(studio.worker.call, look_at, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    studio.uploads.keep(Upload(path.name, video))
    return {
        "upload": path.name,
        "seconds": video.duration_seconds,
        "width": video.width,
        "height": video.height,
    }
