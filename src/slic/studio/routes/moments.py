"""Routes to search and browse moments, and to upload a query video."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from slic.studio.requests import BrowseRequest, RowId, SearchRequest
from slic.studio.routes.common import CurrentStudio, describe_moments
from slic.studio.selection import search_moments, select_moments
from slic.studio.uploads import Upload, inspect_upload

router = APIRouter(prefix="/api")


@router.post("/search")
def post_search(request: SearchRequest, studio: CurrentStudio) -> dict[str, Any]:
    """Search by examples.

    Returns:
        ``moments``: the nearest ones, best first, each with its ``percentile``. ``weights``: those
        of the parts of a vector, None for equal ones. ``weights_from``: who set them, see
        `Weighing`. ``compared_with``: what the percentiles are shares of, ``"pairs"`` of moments,
        or for a text alone ``"moments"``. ``seconds``: the time that the search took.
    """
    started = time.perf_counter()
    found = search_moments(studio, request)
    moments = describe_moments(studio, found.hits)
    for position, moment in enumerate(moments):
        moment["percentile"] = found.percentiles[position] if found.percentiles else None
    return {
        "moments": moments,
        "weights": found.weighing.weights,
        "weights_from": found.weighing.source,
        "compared_with": "pairs" if request.like else "moments",
        "seconds": time.perf_counter() - started,
    }


@router.post("/browse")
def post_browse(request: BrowseRequest, studio: CurrentStudio) -> dict[str, Any]:
    """List the moments in a scope.

    Returns:
        ``moments``: one page of them, in a fixed order. ``total``: their number on all pages.
    """
    ids = select_moments(studio, request.scope)
    page = ids[request.offset : request.offset + request.limit].tolist()
    return {"moments": describe_moments(studio, studio.index.moments(page)), "total": len(ids)}


@router.get("/moments/{moment_id}")
def get_moment(moment_id: RowId, studio: CurrentStudio) -> dict[str, Any]:
    """Return one moment, as a search describes it but without a score."""
    return describe_moments(studio, studio.index.moments([moment_id]))[0]


@router.post("/uploads")
async def post_upload(request: Request, studio: CurrentStudio) -> dict[str, Any]:
    """Store the body of the request as a query video, if it can be decoded.

    Returns:
        ``upload``: the key of the video in later requests. ``seconds``: its duration.
    """
    studio.uploads.check_size(request.headers.get("content-length"))
    path = await studio.uploads.receive(request.stream())
    try:
        video = await run_in_threadpool(studio.worker.call, inspect_upload, path)
    except BaseException:  # also when the client goes away
        path.unlink(missing_ok=True)
        raise
    studio.uploads.add(Upload(path.name, video))
    return {"upload": path.name, "seconds": video.duration_seconds}
