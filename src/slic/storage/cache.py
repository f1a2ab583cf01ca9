"""The local cache of objects: byte ranges in files, the least recently used ones dropped first.

A folder for each version of an object holds a file for each range, named by its first byte and the
one after its last. A file ends with a checksum for each block, so a damaged one is seen and fetched
again. Files are written whole and never changed. Any of them may be deleted at any time.
"""

import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from slic.errors import WriteError
from slic.storage.states import ObjectState

try:
    import fcntl
except ImportError:  # Windows: two processes may drop files at the same time, which does no harm
    fcntl = None  # type: ignore[assignment]

VARIABLE: Final = "SLIC_CACHE_BYTES"
DEFAULT_BYTES: Final = 10 << 30
BLOCK_BYTES: Final = 1 << 16  # of one checksum
KEPT_SHARE: Final = 0.9  # of the limit, after files were dropped
STALE_SECONDS: Final = 3600.0  # of a temporary file
_log = logging.getLogger("slic")


def cache_bytes() -> int:
    """Return the limit of the cache from the environment; 0 means no cache.

    Raises:
        WriteError: It is not a number of bytes.
    """
    word = os.environ.get(VARIABLE, "").strip()
    if not word:
        return DEFAULT_BYTES
    if not word.isdecimal():
        raise WriteError(f"{VARIABLE}={word}: not a whole number of bytes, such as {DEFAULT_BYTES}")
    return int(word)


def cache_folder() -> Path | None:
    """Return the folder of the cache; None if the user has no home."""
    with contextlib.suppress(RuntimeError):
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return home / "slic" / "objects"
    return None


class RangeCache:
    """Byte ranges of objects on the disk; several processes may share the folder.

    Args:
        folder: The folder; None keeps nothing.
        limit: Most bytes that are kept. Each process may exceed it by a thirty-second for a moment.
    """

    def __init__(self, folder: Path | None, *, limit: int) -> None:
        self.folder = folder if limit > 0 else None
        self.limit = limit
        self._unchecked = limit  # bytes written since the last look at all files: look at first
        self._used: set[Path] = set()

    def read(self, url: str, state: ObjectState, start: int, end: int) -> bytes:
        """Return the kept bytes from a place on, up to another; empty if that place is not kept."""
        for path, first, last in self._files(url, state):
            if first <= start < last:
                data = self._checked(path, first, last, start, min(end, last))
                if data:
                    return data
        return b""

    def next_kept(self, url: str, state: ObjectState, start: int, end: int) -> int:
        """Return where the next kept range after a place begins; ``end`` if none does before."""
        later = (first for _, first, _ in self._files(url, state) if start < first < end)
        return min(later, default=end)

    def write(self, url: str, state: ObjectState, start: int, data: bytes) -> None:
        """Keep a range. Where that cannot be done, a warning says so once, and no more is kept."""
        if self.folder is None or len(data) > self.limit * KEPT_SHARE:
            return
        folder = self._folder_of(url, state)
        path = folder / f"{start}-{start + len(data)}"
        temporary = folder / f"{secrets.token_hex(8)}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_bytes(data + _checksums(data))
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            self._give_up(error)
            return
        self._unchecked += len(data)
        if self._unchecked > self.limit // 32:
            self._unchecked = 0
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Drop the files that were not used for longest, if all take more than the limit."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError), _locked(self.folder) as alone:
            if not alone:
                return
            files = sorted(_all_files(self.folder))
            excess = sum(size for _, size, _ in files) - self.limit
            if excess <= 0:
                return
            excess += int(self.limit * (1 - KEPT_SHARE))
            for _, size, path in files:
                if excess <= 0:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                with contextlib.suppress(OSError):  # not empty
                    path.parent.rmdir()
                excess -= size

    def _folder_of(self, url: str, state: ObjectState) -> Path:
        assert self.folder is not None
        name = f"{url}\n{state.size}\n{state.mtime_ns}\n{state.tag}"
        key = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return self.folder / key[:2] / key

    def _files(self, url: str, state: ObjectState) -> list[tuple[Path, int, int]]:
        """Return the files of an object, with the first byte of each and the one after its last."""
        if self.folder is None:
            return []
        folder = self._folder_of(url, state)
        try:
            names = os.listdir(folder)  # noqa: PTH208 (half the time)
        except OSError:
            return []
        ranges = [name.split("-") for name in names if name.replace("-", "").isdecimal()]
        return [(folder / "-".join(r), int(r[0]), int(r[1])) for r in ranges if len(r) == 2]

    def _checked(self, path: Path, first: int, last: int, start: int, end: int) -> bytes:
        """Return bytes of a file; none if it is damaged, and then it is deleted."""
        block, until = (start - first) // BLOCK_BYTES, -(-(end - first) // BLOCK_BYTES)
        length, blocks = last - first, -(-(last - first) // BLOCK_BYTES)
        try:
            with path.open("rb") as file:
                whole = os.fstat(file.fileno()).st_size == length + 4 * blocks
                file.seek(block * BLOCK_BYTES)
                data = file.read(min(until * BLOCK_BYTES, length) - block * BLOCK_BYTES)
                file.seek(length + 4 * block)
                sums = file.read(4 * (until - block))
            if whole and _checksums(data) == sums:
                self._touch(path)
                at = start - first - block * BLOCK_BYTES
                return data[at : at + end - start]
            _log.warning("%s: damaged; it is fetched again", path)
            path.unlink()
        except OSError:  # another process dropped it
            pass
        return b""

    def _touch(self, path: Path) -> None:
        """Note that a file is used, once in each process."""
        if path not in self._used:
            self._used.add(path)
            with contextlib.suppress(OSError):
                os.utime(path)

    def _give_up(self, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        _log.warning("%s: objects are not kept here, so they are fetched again each time (%s)",
                     self.folder, reason)  # fmt: skip
        self.folder = None


def _checksums(data: bytes) -> bytes:
    view = memoryview(data)
    sums = (crc32(view[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))
    return b"".join(value.to_bytes(4, "little") for value in sums)


def _all_files(folder: Path) -> list[tuple[float, int, Path]]:
    """Return time of use, size and path of every file; stale temporary files are removed."""
    found, now = [], time.time()
    for path in folder.glob("*/*/*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.suffix == ".tmp" and now - status.st_mtime > STALE_SECONDS:
                path.unlink()
                continue
            found.append((status.st_mtime, status.st_size, path))
    return found


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Give whether no other process is dropping files."""
    with (folder / "lock").open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
        yield True
