"""Paths of objects, which stand where paths of files stand."""

import io
import os
import posixpath
import stat
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import Any

from slic.files import absolute, id_of
from slic.storage.addresses import Address, is_address, parse_address
from slic.storage.fetching import fetch_here, list_objects, look_up
from slic.storage.range_file import RangeFile
from slic.storage.states import ObjectState

_BUFFER_BYTES = 1 << 16


class RemotePath(PosixPath):
    """The address of an object, with the methods of a path that reading needs.

    It is a path in the types only: it cannot be handed to the operating system.

    Args:
        url: The address. Its secrets go into requests and nowhere else.
        state: The version to read; None: the one that is found when it is asked for.

    Attributes:
        url: The address as it is shown and stored.
        state: The version, if it is known.

    Example:
        >>> RemotePath("s3://films/doors/front.mp4").name
        'front.mp4'
    """

    address: Address
    state: ObjectState | None

    def __new__(cls, url: str, *, state: ObjectState | None = None) -> "RemotePath":
        """Return a new path."""
        address = parse_address(url)
        self = super().__new__(cls, _as_path(address))
        self.address, self.state = address, state
        return self

    def __init__(self, url: str, *, state: ObjectState | None = None) -> None:  # noqa: ARG002
        if sys.version_info >= (3, 12):
            super().__init__(_as_path(self.address))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.address.request, self.state)

    @property
    def url(self) -> str:
        """The address without secrets."""
        return self.address.url

    @property
    def scheme(self) -> str:
        """The scheme, such as ``s3``."""
        return self.address.scheme

    def __str__(self) -> str:
        return self.address.url

    def as_posix(self) -> str:
        """Return the address without secrets."""
        return self.url

    def __repr__(self) -> str:
        return f"RemotePath({self.url!r})"

    def __fspath__(self) -> str:
        raise TypeError(f"{self}: an object is no file of this machine")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __lt__(self, other: PurePath) -> bool:
        return str(self) < str(other)

    def __truediv__(self, name: Any) -> "RemotePath":
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    def with_segments(self, *parts: Any) -> Any:
        """Return a path without address: what is made of the parts of an object is no object."""
        return PurePosixPath(*parts)

    @property
    def parent(self) -> "RemotePath":
        """The folder of the object; of a bucket, itself."""
        bucket, key = self.address.parts
        folder = posixpath.dirname(key.rstrip("/"))
        return RemotePath(f"{self.scheme}://{bucket}{'/' if folder else ''}{folder}")

    def absolute(self) -> "RemotePath":
        """Return the path itself."""
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":  # noqa: ARG002
        """Return the path itself."""
        return self

    def is_absolute(self) -> bool:
        """Return True."""
        return True

    def is_dir(self, **_: Any) -> bool:
        """Return False: folders of pictures are read from disks only."""
        return False

    def is_file(self, **_: Any) -> bool:
        """Return whether there is such an object."""
        return self.exists()

    def exists(self, **_: Any) -> bool:
        """Return whether there is such an object.

        Raises:
            OSError: The storage does not tell.
        """
        try:
            pinned(self)
        except FileNotFoundError:
            return False
        return True

    def stat(self, **_: Any) -> os.stat_result:
        """Return size and time of the version, see `ObjectState`.

        Raises:
            OSError: There is no such object, or the storage does not tell.
        """
        state = pinned(self).known
        row = (stat.S_IFREG | 0o444, 0, 0, 0, 0, 0, state.size, 0, state.mtime_ns // 10**9, 0)
        return os.stat_result(row, {"st_mtime_ns": state.mtime_ns})

    @property
    def known(self) -> ObjectState:
        """The version, which must be known."""
        assert self.state is not None, "see `pinned`"
        return self.state

    def open_ranges(self, expected: Sequence[tuple[int, int]] = ()) -> RangeFile:
        """Open the object for reading byte ranges.

        Args:
            expected: Ascending byte ranges that will be read, see `RangeFile`.

        Raises:
            OSError: There is no such object, or the storage does not tell.
        """
        path = pinned(self)
        return RangeFile(
            path.known.size,
            lambda start, end: fetch_here(path.address, path.known, start, end),
            expected=expected,
            held=_pieces_of(path.url, path.known),
            name=path.url,
        )

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,  # noqa: ARG002
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """Open the object for reading; the arguments are those of `pathlib.Path.open`."""
        if mode not in {"r", "rb", "rt"}:
            raise OSError(f"{self}: objects are only read")
        file = io.BufferedReader(self.open_ranges(), _BUFFER_BYTES)
        return file if "b" in mode else io.TextIOWrapper(file, encoding, errors, newline)


@lru_cache(maxsize=2)
def _pieces_of(url: str, state: ObjectState) -> list[tuple[int, bytes]]:  # noqa: ARG001
    """Return what readers of an object hold; of the last two objects of this process."""
    return []


def _as_path(address: Address) -> str:
    return "/".join(["", *address.parts])


def _restore(url: str, state: ObjectState | None) -> RemotePath:
    return RemotePath(url, state=state)


def pinned(path: RemotePath) -> RemotePath:
    """Return the path with the version that it has now, if it does not know one.

    Raises:
        OSError: There is no such object, or the storage does not tell.
    """
    if path.state is not None:
        return path
    return RemotePath(path.address.request, state=look_up(path.address))


def location(place: str | Path) -> Path:
    """Return a path of a file, or of an object if it is an address.

    An address that was made a path has lost a slash; it is understood too.
    """
    if isinstance(place, RemotePath) or not is_address(str(place)):
        return Path(place) if isinstance(place, str) else place
    return RemotePath(str(place))


def in_folder(root: str | Path, name: str) -> Path:
    """Return where a video lies, from the folder of its collection and its id."""
    folder = location(root)
    if is_address(name):
        return RemotePath(name)
    if isinstance(folder, RemotePath) and not name.startswith("/"):
        return folder / name
    return Path(folder) / name if not isinstance(folder, RemotePath) else Path(name)


def id_and_path(name: str, root: Path) -> tuple[str, Path]:
    """Return the id of a listed video, as `slic.files.id_of`, and where it lies.

    Args:
        name: Path or address, or a name relative to ``root``.
        root: Root of the collection: a folder on a disk or in storage.
    """
    if not is_address(name):
        if not isinstance(root, RemotePath):
            shown = id_of(name, root)
            return shown, root / shown
        if name.startswith("/"):
            return absolute(Path(name)).as_posix(), Path(name)
        name = f"{root.url.rstrip('/')}/{posixpath.normpath(name)}"
    path = RemotePath(name)
    base = f"{root}/" if isinstance(root, RemotePath) else "\0"
    return path.url.removeprefix(base), path


def list_folder(folder: RemotePath) -> dict[str, RemotePath]:
    """Return the objects below a folder by their names relative to it; one listing.

    Raises:
        OSError: The folder cannot be listed.
    """
    base = folder.url.rstrip("/")
    found = list_objects(folder.address)
    return {name: RemotePath(f"{base}/{name}", state=state) for name, state in found.items()}
