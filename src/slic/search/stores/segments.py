"""Segments of an inverted file on disk: codes and ids of vectors, list by list, never changed.

A segment is one file. For each list, it has the codes of its vectors and then their ids (int64).
FAISS maps it and reads only the lists that a search probes.
"""

import ctypes
import mmap
import os
import secrets
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import faiss
import numpy as np
from jaxtyping import Int64, UInt8, UInt32

from slic.files import atomic_path
from slic.sealed import DamagedFileError
from slic.search.stores.disk_files import read_at, will_need

ID_BYTES: Final = 8
SWEPT_BYTES: Final = 16 << 20  # that each search unmaps; a multiple of a page
_ADVISE = getattr(ctypes.CDLL(None), "madvise", None) if hasattr(mmap, "MADV_DONTNEED") else None
if _ADVISE is not None:
    _ADVISE.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
Codes = UInt8[np.ndarray, "n c"]


class Segment(NamedTuple):
    """What a manifest says of a segment.

    Attributes:
        name: Of its file.
        sizes: Number of vectors of every list.
        checks: CRC-32 of every list.
    """

    name: str
    sizes: Int64[np.ndarray, " lists"]
    checks: UInt32[np.ndarray, " lists"]

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return int(self.sizes.sum())


class OpenSegment:
    """A mapped segment, and which of its lists were checked.

    Args:
        folder: Folder of its file.
        segment: What it has.
        code_size: Bytes of a code.

    Raises:
        DamagedFileError: The file has another length.
        OSError: It cannot be opened.
    """

    def __init__(self, folder: Path, segment: Segment, *, code_size: int) -> None:
        self.segment, self._code_size = segment, code_size
        self._ends = np.cumsum(segment.sizes) * (code_size + ID_BYTES)
        self._path = folder / f"{segment.name}.lists"
        self._checked = segment.sizes == 0
        self._swept = 0
        self._file = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        size, total = os.fstat(self._file).st_size, int(self._ends[-1])
        if size != total:
            raise DamagedFileError(f"{self._path.name} has {size} bytes instead of {total}")
        self.lists = faiss.OnDiskInvertedLists()
        self.lists.nlist, self.lists.code_size = len(segment.sizes), code_size
        self.lists.lists.resize(len(segment.sizes))  # type: ignore[attr-defined]  # a C++ vector
        sizes = segment.sizes.astype(np.uint64)  # FAISS is given its address only
        self.lists.set_all_lists_sizes(faiss.swig_ptr(sizes))
        self.lists.filename, self.lists.read_only = os.fspath(self._path), True
        self.lists.totsize, self.lists.prefetch_nthread = total, 0
        self.lists.do_mmap()

    def check(self, lists: Int64[np.ndarray, "*any"]) -> None:
        """Check the lists that were not checked yet.

        Raises:
            DamagedFileError: One does not have its checksum.
        """
        wanted = np.unique(lists)
        wanted = wanted[(wanted >= 0) & (self.segment.sizes[wanted] > 0)]
        sizes = self.segment.sizes[wanted] * (self._code_size + ID_BYTES)
        will_need(self._file, self._ends[wanted] - sizes, sizes)
        self._sweep()
        for number in wanted[~self._checked[wanted]].tolist():
            self.read(number)

    def _sweep(self) -> None:
        """Unmap a part of the file, each time the next one, so that not all of it is resident.

        The pages stay in the cache of the system, which takes them back when it needs the memory.
        To unmap much at once would make one search in a hundred slow.
        """
        total = int(self._ends[-1])
        if _ADVISE is not None and total > SWEPT_BYTES:
            start, self._swept = self._swept, (self._swept + SWEPT_BYTES) % total
            self._swept -= self._swept % SWEPT_BYTES
            length = min(SWEPT_BYTES, total - start)
            _ADVISE(ctypes.c_void_p(int(self.lists.ptr) + start), length, mmap.MADV_DONTNEED)

    def read(self, number: int) -> tuple[Codes, Int64[np.ndarray, " n"]]:
        """Return the checked codes and ids of one list.

        Raises:
            DamagedFileError: It does not have its checksum.
        """
        count = int(self.segment.sizes[number])
        length = count * (self._code_size + ID_BYTES)
        data = read_at(self._file, int(self._ends[number]) - length, length)
        if zlib.crc32(data) != self.segment.checks[number]:
            raise DamagedFileError(f"list {number} of {self._path.name} does not have its checksum")
        self._checked[number] = True
        codes = np.frombuffer(data, np.uint8, count * self._code_size)
        return codes.reshape(count, -1), np.frombuffer(data, "<i8", count, codes.size)


def write_segment(
    folder: Path, lists: int, content: Iterator[tuple[int, Codes, Int64[np.ndarray, " n"]]]
) -> Segment:
    """Write a segment.

    Args:
        folder: Where.
        lists: Number of lists.
        content: Number, codes and ids of lists, by ascending number.

    Raises:
        WriteError: The disk is full or failing.
    """
    name = f"segment-{secrets.token_hex(4)}"
    sizes, checks = np.zeros(lists, np.int64), np.zeros(lists, np.uint32)
    with atomic_path(folder / f"{name}.lists") as temporary, temporary.open("wb") as file:
        for number, codes, ids in content:
            data = codes.tobytes() + ids.astype("<i8").tobytes()
            file.write(data)
            sizes[number], checks[number] = len(ids), zlib.crc32(data)
    return Segment(name, sizes, checks)


def sorted_content(
    codes: Codes, ids: Int64[np.ndarray, " n"], lists: Int64[np.ndarray, " n"]
) -> Iterator[tuple[int, Codes, Int64[np.ndarray, " n"]]]:
    """Give vectors list by list, each list in the order of its ids."""
    order = np.argsort(lists, kind="stable")
    starts = np.flatnonzero(np.diff(lists[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else ():
        yield int(lists[rows[0]]), codes[rows], ids[rows]


def merged_content(
    segments: Sequence[OpenSegment], dead: Int64[np.ndarray, " d"]
) -> Iterator[tuple[int, Codes, Int64[np.ndarray, " n"]]]:
    """Give the vectors of several segments list by list, without those of dead ids.

    Raises:
        DamagedFileError: A list does not have its checksum.
    """
    total = sum(segment.segment.sizes for segment in segments)
    for number in np.flatnonzero(total).tolist():
        parts = [s.read(number) for s in segments if s.segment.sizes[number]]
        codes = np.concatenate([part[0] for part in parts])
        ids = np.concatenate([part[1] for part in parts])
        alive = ~np.isin(ids, dead) if len(dead) else slice(None)
        if len(ids[alive]):
            yield number, codes[alive], ids[alive]


def remove_other_segments(folder: Path, kept: Sequence[Segment]) -> None:
    """Remove the files of segments that no manifest names any more."""
    names = {segment.name for segment in kept}
    for file in folder.glob("segment-*.lists"):
        if file.stem not in names:
            with suppress(OSError):
                file.unlink()
