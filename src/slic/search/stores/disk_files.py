"""Files of an index that are read in place: opened, mapped, appended to, locked, read ahead."""

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64

from slic.errors import WriteError
from slic.files import make_folder, reason_of
from slic.sealed import DamagedFileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


_seeking = threading.Lock()


def open_sized(path: Path, size: int) -> BinaryIO:
    """Open a file that has at least a number of bytes; more are of an unfinished write."""
    file = path.open("rb")
    if (found := os.fstat(file.fileno()).st_size) < size:
        file.close()
        raise DamagedFileError(f"{path.name} has {found} bytes instead of {size}")
    return file


def file_mark(path: Path) -> tuple[int, ...]:
    """Return what differs once a file was replaced; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def read_at(descriptor: int, start: int, size: int) -> bytes:
    """Return bytes of a file; fewer if it ends before. Several threads may read one file."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, start)
    with _seeking:  # Windows
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, size)


def map_file(descriptor: int, size: int, *, changeable: bool) -> mmap.mmap:
    """Map the first bytes of a file into memory.

    Args:
        descriptor: The open file.
        size: Number of bytes, at least 1.
        changeable: The mapping may be changed. Changes stay in the memory of this process.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        access = mmap.ACCESS_COPY if changeable else mmap.ACCESS_READ
        return mmap.mmap(descriptor, size, access=access)
    if not changeable:
        return mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    # Without reserving memory: the file may be larger than the memory.
    flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
    return mmap.mmap(descriptor, size, flags=flags)


def will_need(
    descriptor: int, starts: Int64[np.ndarray, " n"], sizes: Int64[np.ndarray, " n"]
) -> None:
    """Tell the system which bytes of a file are read next, so that the disk reads them together."""
    if hasattr(os, "posix_fadvise"):
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
            os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)


def is_writable(folder: Path) -> bool:
    """Return whether this user has permission to write into a folder."""
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


@contextmanager
def appending(path: Path, size: int) -> Iterator[BinaryIO]:
    """Give a stream that writes behind the valid bytes of a file."""
    with path.open("r+b" if size else "wb") as file:
        file.seek(size)
        yield file


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes, where the file system has locks."""
    make_folder(folder)
    with (folder / "lock").open("ab") as file:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def reporting(folder: Path) -> Iterator[None]:
    """Raise errors of the disk as a `WriteError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{folder}: could not be written ({reason_of(error)}).") from error
