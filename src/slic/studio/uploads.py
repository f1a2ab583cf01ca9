"""Videos that the page uploads as queries: stored with limits, inspected in the worker."""

import secrets
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from slic.errors import SearchError, VideoError
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

MAX_UPLOAD_BYTES = 500 << 20
MAX_UPLOADS = 12
MAX_RECEIVED_AT_ONCE = 4


class UploadTooLargeError(SearchError):
    """An uploaded file exceeds the size limit."""


@dataclass(frozen=True)
class Upload:
    """An uploaded video that can be decoded; the page refers to it by ``key``."""

    key: str
    video: Video


class _UploadCache(LRUCache[str, Upload]):
    """A cache that deletes the file of an upload when it drops it."""

    def popitem(self) -> tuple[str, Upload]:
        key, upload = super().popitem()
        upload.video.path.unlink(missing_ok=True)
        return key, upload


@dataclass(eq=False, kw_only=True)
class UploadStore:
    """The uploads of one session; the least recently used are deleted.

    Args:
        max_bytes: Size limit of one upload.
        max_uploads: Number of uploads to keep.
        folder: Where they are stored.
    """

    folder: Path
    max_bytes: int = MAX_UPLOAD_BYTES
    max_uploads: int = MAX_UPLOADS

    def __post_init__(self) -> None:
        self._receiving = 0
        self._uploads = _UploadCache(self.max_uploads)
        self._lock = threading.Lock()

    def check_size(self, content_length: str | None) -> None:
        """Refuse an upload by its ``Content-Length`` header, before any of it is read.

        Raises:
            UploadTooLargeError: The header names more bytes than the limit.
        """
        if content_length is None or not content_length.isdecimal():
            return  # :meth:`receive` counts what arrives
        if int(content_length) > self.max_bytes:
            raise self._too_large()

    async def receive(self, chunks: AsyncIterator[bytes]) -> Path:
        """Write an upload to a new file and return its path.

        Raises:
            UploadTooLargeError: The upload has more bytes than the limit.
            SearchError: The upload is empty, the disk is full, or too many others are sent.
        """
        if self._receiving >= MAX_RECEIVED_AT_ONCE:
            raise SearchError("Other videos are being sent. Wait until they have arrived.")
        path = self.folder / secrets.token_hex(16)
        size = 0
        self._receiving += 1  # in the event loop, so no lock is needed
        try:
            with path.open("xb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.max_bytes:
                        raise self._too_large()
                    file.write(chunk)
            if size == 0:
                raise SearchError("The file is empty.")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise SearchError(f"The upload could not be stored ({error.strerror}).") from error
            raise
        finally:
            self._receiving -= 1
        return path

    def add(self, upload: Upload) -> None:
        """Keep an upload that was found to be a video."""
        with self._lock:
            self._uploads[upload.key] = upload

    def get(self, key: str) -> Upload:
        """Return an upload.

        Raises:
            SearchError: There is no such upload, or it was deleted.
        """
        with self._lock:
            if (upload := self._uploads.get(key)) is None:
                raise SearchError("The uploaded video is no longer available. Drop it again.")
            return upload

    def _too_large(self) -> UploadTooLargeError:
        return UploadTooLargeError(
            f"Videos of more than {self.max_bytes / 2**20:.0f} MB cannot be uploaded. "
            "Cut the video first, or add the file to the index."
        )


def inspect_upload(path: Path) -> Video:
    """Decode a whole upload and describe it; runs in the worker.

    Raises:
        VideoError: The file is not a video. The message does not contain the path.
    """
    try:
        return inspect_video(path, "clip")
    except VideoError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise VideoError(f"This file cannot be read as a video: {reason}.") from None
