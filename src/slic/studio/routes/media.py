"""Routes for video files, previews and thumbnails.

An indexed video is addressed by its id, an upload by its key. No path comes from the page.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from slic.files import reason_of
from slic.search import IndexedVideo
from slic.storage import RemotePath
from slic.studio.opened import OpenedVideo
from slic.studio.requests import RowId
from slic.studio.routes.common import CurrentStudio
from slic.studio.state import Studio

router = APIRouter(prefix="/media")
Seconds = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]
Collection = Literal["videos", "compared"]  # of the index, or of the one that is compared
# The page adds ?content= to the address, because an id is another video in another index.
CACHE_HEADERS = {"Cache-Control": "private, max-age=3600"}
ReturnT = TypeVar("ReturnT")
_PIECE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_log = logging.getLogger("slic")


class OpenedFileResponse(FileResponse):
    """Sends an opened file, or the byte ranges that the browser requests, and closes it.

    Args:
        opened: The file.
        media_type: Its media type.
    """

    def __init__(self, opened: OpenedVideo, *, media_type: str) -> None:
        super().__init__(
            opened.address,
            media_type=media_type,
            headers=CACHE_HEADERS,
            stat_result=opened.status,
        )
        self.opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self.opened:
            await super().__call__(scope, receive, send)


def object_response(opened: OpenedVideo, media_type: str, wanted: str | None) -> Response:
    """Send an opened object, or the byte range that the browser requests, and close it.

    Args:
        opened: The object.
        media_type: Its media type.
        wanted: The header ``Range``.
    """
    size = opened.status.st_size
    start, end = _byte_range(wanted, size)
    part = (start, end) != (0, size)
    if start >= end:
        opened.__exit__()
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers = CACHE_HEADERS | {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    pieces = _pieces(opened, start, end)
    return StreamingResponse(pieces, 206 if part else 200, media_type=media_type, headers=headers)


def _byte_range(wanted: str | None, size: int) -> tuple[int, int]:
    """Return the first byte and the end of one requested range; of several, the first."""
    found = _RANGE.match(wanted or "")
    if found is None:
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


def _pieces(opened: OpenedVideo, start: int, end: int) -> Iterator[bytes]:
    """Give the bytes of an opened object; fewer if the storage fails, which the log tells."""
    with opened:
        assert opened.file is not None, "of an object it is open"
        opened.file.seek(start)
        try:
            while start < end and (piece := opened.file.read(min(_PIECE_BYTES, end - start))):
                start += len(piece)
                yield piece
        except OSError as error:
            _log.warning("%s: %s", opened.path, reason_of(error))


@router.get("/uploads/{key}/preview.mp4")
async def get_upload_preview(key: str, studio: CurrentStudio) -> Response:
    """Send an uploaded video as a small H.264 file, for browsers that do not play the upload."""
    upload = studio.uploads.get(key)
    return await _made(studio, "video/mp4", partial(studio.media.upload_preview, upload), {})


@router.get("/{collection}/{video_id}")
async def get_video_file(
    collection: Collection, video_id: RowId, studio: CurrentStudio, request: Request
) -> Response:
    """Send an indexed file, or the byte range that the browser requests.

    The status is 415 if browsers do not play the file, 404 if it cannot be reached, and 409 if it
    is not the file that was indexed.
    """
    open_file = partial(_open_file, studio, collection, video_id)
    opened, media_type = await _in_thread(studio, open_file)
    if isinstance(opened.address, RemotePath):
        return object_response(opened, media_type, request.headers.get("range"))
    return OpenedFileResponse(opened, media_type=media_type)


@router.get("/{collection}/{video_id}/preview.mp4")
async def get_preview(
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

    def make() -> bytes:
        video = _video_of(studio, collection, video_id)
        return studio.media.preview(video, start_seconds=start, end_seconds=end)

    return await _made(studio, "video/mp4", make)


@router.get("/{collection}/{video_id}/thumbnail.webp")
async def get_thumbnail(
    collection: Collection, video_id: RowId, at: Seconds, studio: CurrentStudio
) -> Response:
    """Send one frame of a video as a small WebP picture.

    Args:
        collection: Which index has the video.
        video_id: Id of the video in the index.
        at: Time of the frame in seconds.
        studio: The studio.
    """

    def make() -> bytes:
        return studio.media.thumbnail(_video_of(studio, collection, video_id), seconds=at)

    return await _made(studio, "image/webp", make)


async def _in_thread(studio: Studio, function: Callable[[], ReturnT]) -> ReturnT:
    """Run a function in a thread for files, so that other requests do not wait for slow files."""
    return await asyncio.wrap_future(studio.media_threads.submit(function))


async def _made(
    studio: Studio,
    media_type: str,
    make: Callable[[], bytes],
    headers: Mapping[str, str] = CACHE_HEADERS,
) -> Response:
    data = await _in_thread(studio, make)
    return Response(data, media_type=media_type, headers=headers)


def _open_file(studio: Studio, collection: Collection, video_id: int) -> tuple[OpenedVideo, str]:
    """Open an indexed file and find its media type."""
    video = _video_of(studio, collection, video_id)
    with ExitStack() as closing:
        opened = closing.enter_context(studio.media.files.open(video))
        if (media_type := studio.media.media_type(video, opened)) is None:
            raise HTTPException(415, "Browsers do not play this file. Request a preview.")
        closing.pop_all()
    return opened, media_type


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


def _video_of(studio: Studio, collection: Collection, video_id: int) -> IndexedVideo:
    found = _studio_of(studio, collection).index.videos([video_id])
    if not found:
        raise HTTPException(404, f"There is no video {video_id} in the index.")
    return found[0]
