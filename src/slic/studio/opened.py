"""Opening the file of an indexed video, if it is still the file that was indexed.

A path may lead to another file by now: a link that was changed, a pipe, a file of somebody else
that an index from a stranger names. So the file is opened once, compared with its row of the index,
and what was opened is what is sent or decoded.
"""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cachetools import LRUCache, TTLCache

from slic.errors import SearchError, VideoError
from slic.search import IndexedVideo
from slic.storage import ObjectState, RemotePath, content_key, pinned
from slic.videos.contents import digest_of_files
from slic.videos.frame_folder import frame_paths, is_picture_clip

MAX_DIGESTED_BYTES: Final = 64 << 20  # 0.1 s of one core; larger files are compared by their time
MAX_REMEMBERED: Final = 100_000
VERSION_SECONDS: Final = 10.0  # until the storage is asked again which version an object has
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for a writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_HAS_ADDRESSES: Final = Path("/proc/self/fd").is_dir()
FileState = tuple[int, ...]  # differs after every change of a file, and between two files


class UnreachableFileError(SearchError):
    """There is no file at the path of an indexed video, or it may not be read."""


class ChangedFileError(SearchError):
    """The file at the path of an indexed video is not the one that was indexed."""


@dataclass(kw_only=True)
class OpenedVideo:
    """The opened file of an indexed video; a context that closes it.

    Attributes:
        path: Where the index says that it is.
        address: What this process and its children read to get this very file.
        status: Its status when it was opened; of a folder of pictures, that of the folder.
        state: What tells whether it has changed since.
    """

    path: Path
    address: Path
    status: os.stat_result
    state: FileState
    file: BinaryIO | None = field(repr=False)

    def __enter__(self) -> "OpenedVideo":
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def check_unchanged(self, video: IndexedVideo) -> None:
        """Raise if the file has changed since it was opened.

        Raises:
            ChangedFileError: It has.
        """
        if isinstance(self.path, RemotePath):
            return  # each reading of it was of the version that was opened
        with _reported(video):
            if self.file is None:
                now = _state_of_pictures(frame_paths(self.path))
            else:
                now = _state_of(os.fstat(self.file.fileno()))
        if now != self.state:
            raise _changed(video)


class IndexedFiles:
    """Opens files of indexed videos, and remembers which of them were compared with the index.

    Example:
        >>> with files.open(video) as opened:
        ...     data = opened.address.read_bytes()
    """

    def __init__(self) -> None:
        self._same: LRUCache[tuple[FileState, str], bool] = LRUCache(MAX_REMEMBERED)
        self._versions: TTLCache[str, ObjectState] = TTLCache(MAX_REMEMBERED, VERSION_SECONDS)
        self._lock = threading.Lock()
        self._digesting = [threading.Lock() for _ in range(16)]  # a file is read once, not by all

    def open(self, video: IndexedVideo) -> OpenedVideo:
        """Open the file of a video and compare it with the index.

        A file must have the size of its row. Up to `MAX_DIGESTED_BYTES` it must have the same
        content, a larger one the same time of its last change.

        Raises:
            UnreachableFileError: It cannot be read.
            ChangedFileError: It is another one now, or no file.
        """
        with _reported(video), ExitStack() as opening:
            if isinstance(video.file, RemotePath):
                return self._open_object(video, video.file)
            if is_picture_clip(video.file):
                return self._open_pictures(video)
            file, status = _open_regular(video.file)
            opening.callback(file.close)
            state = _state_of(status)
            if not self._is_same(video, state, map(_again, [file])):
                raise _changed(video)
            opening.pop_all()
        return _opened(video, file, status)

    def open_unread(self, video: IndexedVideo) -> OpenedVideo | None:
        """Open a file whose size and time are those of the index; its content is not compared."""
        try:
            if isinstance(video.file, RemotePath):
                return self.open(video)
            file, status = _open_regular(video.file)
        except (OSError, VideoError):
            return None
        opened = _opened(video, file, status)
        if opened.state == self.unchanged_state(video):
            return opened
        file.close()
        return None

    def unchanged_state(self, video: IndexedVideo) -> FileState | None:
        """Return the state of the file of a video if it seems unchanged; nothing is opened."""
        if isinstance(video.file, RemotePath):
            return None  # the storage would be asked about every one
        try:
            status = video.file.stat()
        except OSError:
            return None
        state = _state_of(status)
        if not stat.S_ISREG(status.st_mode) or status.st_size != video.size:
            return None
        with self._lock:
            known = self._same.get((state, video.content_id))
        return state if known or (known is None and status.st_mtime_ns == video.mtime_ns) else None

    def _open_object(self, video: IndexedVideo, path: RemotePath) -> OpenedVideo:
        """Open an object whose version is the one that was indexed; readings of it name it."""
        with self._lock:
            known = self._versions.get(path.url)
        found = pinned(RemotePath(path.address.request, state=known))
        with self._lock:
            self._versions[path.url] = found.known
        if content_key(path.url, found.known) != video.content_id:
            raise _changed(video)
        size, mtime_ns, tag = found.known
        return OpenedVideo(
            path=path,
            address=found,
            status=found.stat(),
            state=(size, mtime_ns, hash((path.url, tag))),
            file=found.open("rb"),
        )

    def _open_pictures(self, video: IndexedVideo) -> OpenedVideo:
        paths = frame_paths(video.file)
        state = _state_of_pictures(paths)
        if not self._is_same(video, state, (_open_regular(path)[0] for path in paths)):
            raise _changed(video)
        status = video.file.parent.stat()
        return OpenedVideo(
            path=video.file, address=video.file, status=status, state=state, file=None
        )

    def _is_same(self, video: IndexedVideo, state: FileState, files: Iterator[BinaryIO]) -> bool:
        """Return whether opened files are those of a row; the answer is kept for their state."""
        size, mtime_ns = state[0], state[1]
        if size != video.size:
            return False
        if size > MAX_DIGESTED_BYTES:
            return mtime_ns == video.mtime_ns
        key = (state, video.content_id)
        with self._digesting[hash(key) % len(self._digesting)]:
            with self._lock:
                same = self._same.get(key)
            if same is None:
                same = digest_of_files(files) == video.content_id
                with self._lock:
                    self._same[key] = same
        return same


def _opened(video: IndexedVideo, file: BinaryIO, status: os.stat_result) -> OpenedVideo:
    address = _address_of(file, video.file)
    state = _state_of(status)
    return OpenedVideo(path=video.file, address=address, status=status, state=state, file=file)


def _open_regular(path: Path) -> tuple[BinaryIO, os.stat_result]:
    """Open a file that is neither a pipe nor a device nor a folder, and return its status.

    Raises:
        VideoError: It is something else.
        OSError: It cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # opening some devices does something
        raise VideoError("it is not a file")
    file = os.fdopen(os.open(path, _FLAGS), "rb", buffering=0)
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise VideoError("it is not a file")
    return file, status


def _again(file: BinaryIO) -> BinaryIO:
    return os.fdopen(os.dup(file.fileno()), "rb", buffering=0)


def _state_of(status: os.stat_result) -> FileState:
    times = (status.st_mtime_ns, status.st_ctime_ns)  # nobody can set the second one
    return (status.st_size, *times, status.st_dev, status.st_ino)


def _state_of_pictures(paths: list[Path]) -> FileState:
    """Return the size of all pictures, their last change, and the state of each."""
    states = [_state_of(path.stat()) for path in paths]
    latest = max((state[1] for state in states), default=-1)
    return (sum(state[0] for state in states), latest, hash(tuple(states)))


def _address_of(file: BinaryIO, path: Path) -> Path:
    """Return a path of the opened file; the path that was opened where a system has no such."""
    if _HAS_ADDRESSES:
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    return path


def _changed(video: IndexedVideo) -> ChangedFileError:
    return ChangedFileError(
        f"{video.path}: this is not the file that was indexed, so it is not shown. "
        "Run `slic index` again."
    )


@contextmanager
def _reported(video: IndexedVideo) -> Iterator[None]:
    """Raise what goes wrong with a file as an error without its absolute path."""
    try:
        yield
    except VideoError as error:
        raise _changed(video) from error
    except OSError as error:
        raise UnreachableFileError(
            f"{video.path}: the file cannot be reached ({error.strerror or error}). "
            "If it was moved or deleted, run `slic index` again."
        ) from error
