"""Routes for video files, previews and thumbnails.

An indexed video is addressed by its id, an upload by its key. No path comes from the page.
"""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import FileResponse, Response

from slic.search import IndexedVideo
from slic.studio.previews import encode_preview, encode_thumbnail
from slic.studio.requests import RowId
from slic.studio.routes.common import CurrentStudio, media_type_of
from slic.studio.state import Studio

router = APIRouter(prefix="/media")
Seconds = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]
Collection = Literal["videos", "compared"]  # of the index, or of the one that is compared
# The page adds ?content= to the address, because an id is another video in another index.
CACHE_HEADERS = {"Cache-Control": "private, max-age=3600"}


@router.get("/uploads/{key}/preview.mp4")
def get_upload_preview(key: str, studio: CurrentStudio) -> Response:
    """Send an uploaded video as a small H.264 file, for browsers that do not play the upload.

    The worker encodes it, because the file is of unknown origin.
    """
    video = studio.uploads.get(key).video
    span = {"start_seconds": 0.0, "end_seconds": video.end_seconds}
    encode = partial(studio.worker.call, encode_preview, video, **span)
    return Response(studio.previews.get(("upload", key), encode), media_type="video/mp4")


@router.get("/{collection}/{video_id}")
def get_video_file(collection: Collection, video_id: RowId, studio: CurrentStudio) -> FileResponse:
    """Send an indexed file, or the byte range that the browser requests.

    The status is 415 if browsers do not play the file, and 404 if it cannot be reached.
    """
    studio = _studio_of(studio, collection)
    video = _reachable_video(studio, video_id)
    if (media_type := media_type_of(studio, video)) is None:
        raise HTTPException(415, "Browsers do not play this file. Request a preview.")
    return FileResponse(video.file, media_type=media_type, headers=CACHE_HEADERS)


@router.get("/{collection}/{video_id}/preview.mp4")
def get_preview(
    collection: Collection, video_id: RowId, start: Seconds, end: Seconds, studio: CurrentStudio
) -> Response:
    """Send a span of a video as a small H.264 file.

    Args:
        collection: Which index has the video.
        video_id: Id of the video in the index.
        start: Start of the span in seconds.
        end: End of the span in seconds.
        studio: The studio.
    """
    video = _reachable_video(_studio_of(studio, collection), video_id)
    key = ("preview", video.content_id, round(start, 3), round(end, 3))
    encode = partial(encode_preview, video.video, start_seconds=start, end_seconds=end)
    data = studio.previews.get(key, encode)
    return Response(data, media_type="video/mp4", headers=CACHE_HEADERS)


@router.get("/{collection}/{video_id}/thumbnail.webp")
def get_thumbnail(
    collection: Collection, video_id: RowId, at: Seconds, studio: CurrentStudio
) -> Response:
    """Send one frame of a video as a small WebP picture.

    Args:
        collection: Which index has the video.
        video_id: Id of the video in the index.
        at: Time of the frame in seconds.
        studio: The studio.
    """
    video = _reachable_video(_studio_of(studio, collection), video_id)
    key = ("thumbnail", video.content_id, round(at, 3))
    data = studio.previews.get(key, partial(encode_thumbnail, video.video, seconds=at))
    return Response(data, media_type="image/webp", headers=CACHE_HEADERS)


def _studio_of(studio: Studio, collection: Collection) -> Studio:
    """Return the studio of the index that has a video.

    Raises:
        HTTPException: No index is compared.
    """
    if collection == "videos":
        return studio
    if studio.compared is None:
        raise HTTPException(404, "No index is compared.")
    return studio.compared


def _reachable_video(studio: Studio, video_id: int) -> IndexedVideo:
    found = studio.index.videos([video_id])
    if not found:
        raise HTTPException(404, f"There is no video {video_id} in the index.")
    try:
        found[0].file.stat()
    except OSError as error:
        raise HTTPException(
            404,
            f"{found[0].path}: the file cannot be reached ({error.strerror}). "
            "If it was moved or deleted, run `slic index` again.",
        ) from error
    return found[0]
