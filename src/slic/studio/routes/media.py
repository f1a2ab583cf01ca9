"""Pictures and films; a video is named by its number in the index, a clip by its key."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import FileResponse, Response

from slic.search import IndexedVideo
from slic.studio import previews
from slic.studio.asked import Number
from slic.studio.routes.common import Here, plays
from slic.studio.state import Studio

router = APIRouter(prefix="/media")
Seconds = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]
# The page adds ?of=, the mark of the content: the same number is another video in another index.
KEPT_BY_BROWSER = {"Cache-Control": "private, max-age=3600"}


@router.get("/videos/{video_id}")
def whole_file(video_id: Number, studio: Here) -> FileResponse:
    """Send an indexed file, or the part of it that is asked for, to a browser that plays it."""
    video = _indexed(studio, video_id)
    kind = plays(studio, video)
    if kind is None:
        raise HTTPException(415, "This file is shown as a film made for the page.")
    return FileResponse(video.file, media_type=kind, headers=KEPT_BY_BROWSER)


@router.get("/videos/{video_id}/film.mp4")
def film(video_id: Number, start: Seconds, end: Seconds, studio: Here) -> Response:
    """Send a stretch as a small film."""
    video = _indexed(studio, video_id)
    key = ("film", video.fingerprint, round(start, 3), round(end, 3))

    def make() -> bytes:
        return previews.film(video.as_video(), start_seconds=start, end_seconds=end)

    return Response(studio.previews.get(key, make), media_type="video/mp4", headers=KEPT_BY_BROWSER)


@router.get("/videos/{video_id}/still.webp")
def still(video_id: Number, at: Seconds, studio: Here) -> Response:
    """Send the picture at a time."""
    video = _indexed(studio, video_id)
    key = ("still", video.fingerprint, round(at, 3))

    def make() -> bytes:
        return previews.still(video.as_video(), seconds=at)

    return Response(
        studio.previews.get(key, make), media_type="image/webp", headers=KEPT_BY_BROWSER
    )


@router.get("/uploads/{key}/film.mp4")
def film_of_upload(key: str, studio: Here) -> Response:
    """Send a clip as a small film, for a browser that does not play the file itself."""
    video = studio.uploads.get(key).video

    def make() -> bytes:
        return studio.worker.call(
            previews.film, video, start_seconds=0.0, end_seconds=video.end_seconds
        )

    return Response(studio.previews.get(("upload", key), make), media_type="video/mp4")


def _indexed(studio: Studio, video_id: int) -> IndexedVideo:
    found = studio.index.videos([video_id])
    if not found:
        raise HTTPException(404, f"There is no video {video_id} in the index.")
    try:
        found[0].file.stat()
    except OSError as error:
        raise HTTPException(
            404,
            f"{found[0].path}: the file cannot be reached ({error.strerror}); "
            "if it was moved or is gone, run `slic index` again.",
        ) from error
    return found[0]
