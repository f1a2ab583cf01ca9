"""Clips that the page sends: written as they come, within limits, and looked at in the worker."""

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from slic.errors import SearchError, VideoError
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

MOST_BYTES = 500 << 20
MOST_KEPT = 12


class TooLargeError(SearchError):
    """A clip over the limit."""


@dataclass(frozen=True)
class Upload:
    """A clip that decodes; ``key`` is how the page names it."""

    key: str
    video: Video


class Uploads:
    """The clips of this session, in a folder that goes with it; the oldest make room for new."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_kept: int = MOST_KEPT) -> None:
        self.most_bytes = most_bytes
        self.most_kept = most_kept
        self._folder = tempfile.TemporaryDirectory(prefix="slic-studio-")
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def refuse_size(self, told: str | None) -> None:
        """Refuse a clip by the length that its sender tells, before any of it is read.

        Raises:
            TooLargeError: It is over the limit.
        """
        if told is not None and told.isdecimal() and int(told) > self.most_bytes:
            raise self._too_large()

    async def receive(self, chunks: AsyncIterator[bytes]) -> Path:
        """Write a clip to a new file.

        Raises:
            TooLargeError: More came than the limit.
            SearchError: Nothing came, or the disk is full.
        """
        path = Path(self._folder.name) / secrets.token_hex(16)
        size = 0
        try:
            with path.open("xb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.most_bytes:
                        raise self._too_large()
                    file.write(chunk)
            if size == 0:
                raise SearchError("The file is empty.")
        except OSError as error:
            path.unlink(missing_ok=True)
            raise SearchError(f"The clip could not be stored ({error.strerror}).") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def keep(self, upload: Upload) -> None:
        """Keep a clip that was found to be a video."""
        with self._lock:
            self._kept[upload.key] = upload
            while len(self._kept) > self.most_kept:
                self._kept.popitem(last=False)[1].video.path.unlink(missing_ok=True)

    def get(self, key: str) -> Upload:
        """Return a clip.

        Raises:
            SearchError: There is none (any more).
        """
        with self._lock:
            if key not in self._kept:
                raise SearchError("This clip is not here any more; drop it again.")
            self._kept.move_to_end(key)
            return self._kept[key]

    def close(self) -> None:
        """Remove all clips."""
        self._folder.cleanup()

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"A clip of more than {self.most_bytes / 2**20:.0f} MB is not taken; "
            "cut it first, or add the file to the index."
        )


def look_at(path: Path) -> Video:
    """Decode a clip wholly, in the worker; what it says names no path of this machine.

    Raises:
        VideoError: It is no video.
    """
    try:
        return inspect_video(path, "clip")
    except VideoError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise VideoError(f"This file is not a video we can read: {reason}.") from None
