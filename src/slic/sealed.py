"""Sealed files: state of ours that is read again, with a header that shows damage.

A sealed file is a header of 72 bytes and a content. The header holds a magic number, the kind of
the file, the version of its content, the length of the content, and a SHA-256 digest of all of
these. Everything is checked before the first byte of the content is used.
"""

import hashlib
import io
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from slic.files import atomic_path

MAGIC: Final = b"\x89slic\r\n\x1a"  # as of PNG: not text, and a transfer as text destroys it
_HEADER: Final = struct.Struct("<8s16sQQ32s")
_BLOCK: Final = 1 << 20


class Seal(NamedTuple):
    """What a sealed file is.

    Attributes:
        kind: At most 16 ASCII characters.
        version: Version of the content. Raise it when the meaning changes.
    """

    kind: str
    version: int


class DamagedFileError(Exception):
    """A file is not sealed, is of another kind, is cut short, or was changed."""


class OtherVersionError(Exception):
    """A whole sealed file has another version of its content.

    Attributes:
        found: That version.
    """

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(f"version {found} instead of {wanted}")
        self.found = found


@contextmanager
def sealing(
    path: Path, seal: Seal, *, before_replacing: Callable[[Path], None] = lambda _: None
) -> Iterator[BinaryIO]:
    """Give a stream for the content of a sealed file, which replaces ``path`` at the end.

    Args:
        path: The file.
        seal: What it is.
        before_replacing: Called with ``path`` when the new file is complete.

    Raises:
        WriteError: The file cannot be written, see `slic.files.atomic_path`.

    Example:
        >>> with sealing(Path("state"), Seal("checkpoint", 3)) as stream:
        ...     stream.write(b"content")
    """
    with atomic_path(path) as temporary:
        with temporary.open("w+b") as file:
            file.write(bytes(_HEADER.size))
            yield file
            length = file.seek(0, os.SEEK_END) - _HEADER.size
            file.seek(_HEADER.size)
            digest = _digest(file, seal, length)
            file.seek(0)
            file.write(_HEADER.pack(MAGIC, seal.kind.encode(), seal.version, length, digest))
        before_replacing(path)


def read_sealed(path: Path, seal: Seal) -> bytes:
    """Return the content of a sealed file.

    Raises:
        DamagedFileError: The file is damaged or something else.
        OSError: The file cannot be read.
        OtherVersionError: Its content has another version.
    """
    with open_sealed(path, seal) as stream:
        return stream.readall()


@contextmanager
def open_sealed(path: Path, seal: Seal) -> Iterator["Section"]:
    """Give the checked content of a sealed file as a stream, for contents that fill memory.

    Raises:
        DamagedFileError: The file is damaged or something else.
        OSError: The file cannot be read.
        OtherVersionError: Its content has another version.
    """
    with path.open("rb") as file:
        length = _check(file, seal)
        yield Section(file, _HEADER.size, length)


def _check(file: BinaryIO, seal: Seal) -> int:
    """Check header and content, and return the length of the content."""
    head = file.read(_HEADER.size)
    if not head:
        raise DamagedFileError("it is empty")
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        raise DamagedFileError("it has no header of slic")
    length: int
    _, kind, version, length, digest = _HEADER.unpack(head)
    size = os.fstat(file.fileno()).st_size - _HEADER.size
    if size != length:
        raise DamagedFileError(f"{size} bytes instead of {length}")
    found = Seal(kind.rstrip(b"\0").decode("ascii", "replace"), version)
    if _digest(file, found, length) != digest:
        raise DamagedFileError("its checksum does not match")
    if found.kind != seal.kind:
        raise DamagedFileError(f"it is a file of kind {found.kind!r} instead of {seal.kind!r}")
    if found.version != seal.version:
        raise OtherVersionError(found.version, seal.version)
    return length


def _digest(file: BinaryIO, seal: Seal, length: int) -> bytes:
    """Return the digest of a seal and of the rest of a file."""
    digest = hashlib.sha256(f"{seal.kind} {seal.version} {length} ".encode())
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


class Section(io.RawIOBase):
    """A part of an open file, as a stream that can only be read.

    Args:
        file: The file.
        start: First byte of the part.
        length: Length of the part, in bytes.
    """

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move in the part, as in a file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer, and return how many bytes."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._start + self._position)
        block = self._file.read(min(len(view), max(0, self._length - self._position)))
        view[: len(block)] = block
        self._position += len(block)
        return len(block)
