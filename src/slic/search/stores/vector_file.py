"""The vectors of an index in files that are mapped into memory, so that opening reads nothing.

The database stays the truth; these files follow it by generation, as a vector store does. Rows are
only appended, in the order of their ids, and never changed. What is valid is said by a sealed
manifest, which is replaced as a whole. So readers of other processes go on while one writes.

A block of rows is checked when it is used first: by its checksum, and that its parts have unit
length. Damaged files are made again from the database.
"""

import json
import logging
import mmap
import os
import secrets
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt32

from slic.files import flush_file
from slic.sealed import DamagedFileError, OtherVersionError, Seal, read_sealed, sealing
from slic.search.repository.moments import VectorBlock, rows_without_unit_parts
from slic.search.stores.base import StoreUpdate
from slic.search.stores.disk_files import (
    appending,
    file_mark,
    only_writer,
    open_sized,
    reporting,
    will_need,
)

VECTORS_FORMAT: Final = 1
VECTORS_FOLDER: Final = "vectors"
ROWS_PER_BLOCK: Final = 64  # that have one checksum; a search needs rows from many places
IDS_PER_BLOCK: Final = 1 << 16
MAX_BLOCKS_ASKED: Final = 1024  # of the disk at once
MAX_ROWS_READ: Final = 1 << 14  # at a time
MAX_DEAD_SHARE: Final = 0.1  # of rows of removed moments; if there are more, all is written again
MAX_ROWS: Final = 1 << 40
_MANIFEST: Final = "manifest"
_SEAL: Final = Seal("vectors", VECTORS_FORMAT)

_log = logging.getLogger("slic")


@dataclass(frozen=True, kw_only=True)
class _State:
    """What a manifest says.

    Attributes:
        generation: Generation of the database.
        name: Of the two files.
        rows: Number of rows in each.
        id_checks: CRC-32 of every `IDS_PER_BLOCK` ids.
        row_checks: CRC-32 of every `ROWS_PER_BLOCK` rows.
        dead: Rows of removed moments, ascending.
    """

    generation: int
    name: str
    rows: int = 0
    id_checks: UInt32[np.ndarray, " i"] = field(default_factory=lambda: np.empty(0, np.uint32))
    row_checks: UInt32[np.ndarray, " b"] = field(default_factory=lambda: np.empty(0, np.uint32))
    dead: Int64[np.ndarray, " d"] = field(default_factory=lambda: np.empty(0, np.int64))

    def packed(self, dimension: int) -> bytes:
        """Return the content of the manifest."""
        about = {
            "generation": self.generation, "dimension": dimension, "name": self.name,
            "rows": self.rows, "dead": len(self.dead),
        }  # fmt: skip
        arrays = (self.id_checks.astype("<u4"), self.row_checks.astype("<u4"), self.dead)
        return json.dumps(about).encode() + b"\n" + b"".join(array.tobytes() for array in arrays)


class _Mapped:
    """The mapped files of one state, and which blocks were checked."""

    def __init__(self, folder: Path, state: _State, dimension: int) -> None:
        self.state, self.dimension = state, dimension
        self._size = 4 * dimension  # of a row, in bytes
        with open_sized(folder / f"{state.name}.i64", 8 * state.rows) as file:
            self.ids = _map_ids(file, state)
        with open_sized(folder / f"{state.name}.f32", self._size * state.rows) as file:
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)  # once no thread reads it any more
        self._checked: Bool[np.ndarray, " b"] = np.zeros(len(state.row_checks), bool)

    def rows(self) -> Float32[np.ndarray, "n d"]:
        """Return all rows, not yet checked: a new mapping whose changes stay in this process."""
        if not self.state.rows:
            return np.empty((0, self.dimension), np.float32)
        # Private, and without reserving memory: the files may be larger than the memory.
        flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
        mapped = mmap.mmap(self._file, self._size * self.state.rows, flags=flags)
        return np.frombuffer(mapped, np.float32).reshape(-1, self.dimension)

    def read(self, places: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n d"]:
        """Return checked rows.

        They are read and not mapped: pages of a mapping count as memory of the process.

        Args:
            places: Which rows, ascending.
        """
        blocks, size = np.unique(places // ROWS_PER_BLOCK), self._size * ROWS_PER_BLOCK
        if len(blocks) <= MAX_BLOCKS_ASKED:
            will_need(self._file, blocks * size, np.full(len(blocks), size))
        self.check(blocks)
        found = np.empty((len(places), self.dimension), np.float32)
        start = 0
        for run in _runs(places, MAX_ROWS_READ):
            found[start : start + len(run)] = self._read(int(run[0]), len(run))
            start += len(run)
        return found

    def check(self, blocks: Int64[np.ndarray, " b"] | None = None) -> None:
        """Check blocks that were not checked yet; None stands for all.

        Raises:
            DamagedFileError: One does not have its checksum, or a row is not of unit parts.
        """
        blocks = np.arange(len(self._checked)) if blocks is None else blocks
        for run in _runs(blocks[~self._checked[blocks]], MAX_ROWS_READ // ROWS_PER_BLOCK):
            first = int(run[0]) * ROWS_PER_BLOCK
            rows = self._read(first, min(len(run) * ROWS_PER_BLOCK, self.state.rows - first))
            data, size = rows.data.cast("B"), self._size * ROWS_PER_BLOCK
            for place, block in enumerate(run.tolist()):
                if zlib.crc32(data[place * size :][:size]) != self.state.row_checks[block]:
                    raise DamagedFileError(f"the checksum of block {block} does not match")
            if len(wrong := rows_without_unit_parts(rows)):
                raise DamagedFileError(f"row {first + int(wrong[0])} is not of unit parts")
            self._checked[run] = True

    def _read(self, start: int, count: int) -> Float32[np.ndarray, "n d"]:
        data = os.pread(self._file, self._size * count, self._size * start)
        if len(data) != self._size * count:
            raise DamagedFileError("it was cut off")
        return np.frombuffer(data, "<f4").reshape(count, self.dimension)


class VectorFile:
    """The vectors of an index, mapped into memory. Its methods may be called by several threads.

    Args:
        folder: Folder of the index; the files are in its folder ``vectors``.
        dimension: Length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder / VECTORS_FOLDER
        self.dimension = dimension
        self._mapped: _Mapped | None = None
        self._seen: tuple[int, ...] = ()
        self._lock = threading.RLock()
        self.refresh()

    @property
    def generation(self) -> int | None:
        """The generation of the database that the files have; None if they must be filled."""
        mapped = self._mapped
        return None if mapped is None else mapped.state.generation

    @property
    def ids(self) -> Int64[np.ndarray, " n"]:
        """Ids of all rows, ascending, also of removed moments."""
        mapped = self._mapped
        return np.empty(0, np.int64) if mapped is None else mapped.ids

    def refresh(self) -> None:
        """Take over what another process has written."""
        path = self.folder / _MANIFEST
        with self._lock:
            if (seen := file_mark(path)) == self._seen:
                return
            self._mapped, self._seen = None, seen
            if not seen:
                return
            try:
                state = _unpack(read_sealed(path, _SEAL), self.dimension)
                self._mapped = _Mapped(self.folder, state, self.dimension)
            except (DamagedFileError, OtherVersionError, OSError) as error:
                self.discard(error)

    def discard(self, error: Exception) -> None:
        """Use the files no more, and say why."""
        reason = " ".join(str(error).split())[:200]
        _log.warning("%s: cannot be used (%s); it is made again", self.folder, reason)
        with self._lock:
            self._mapped = None
            with suppress(OSError):
                (self.folder / _MANIFEST).unlink()
            self._seen = file_mark(self.folder / _MANIFEST)

    def everything(self) -> VectorBlock | None:
        """Return the ids of all moments and their vectors; None if the files are damaged.

        The vectors are mapped. What the caller changes in them stays in its memory.
        """
        if (mapped := self._mapped) is None:
            return None
        try:
            mapped.check()
            rows, dead = mapped.rows(), mapped.state.dead
        except (DamagedFileError, OSError) as error:
            self.discard(error)
            return None
        if not len(dead):
            return mapped.ids.copy(), rows
        alive = np.ones(len(rows), bool)
        alive[dead] = False
        return mapped.ids[alive], rows[alive]

    def some(self, ids: Int64[np.ndarray, " wanted"]) -> VectorBlock | None:
        """Return those of the moments that exist, and their vectors; None if the files are damaged.

        Args:
            ids: Ascending and distinct.
        """
        if (mapped := self._mapped) is None:
            return None
        places = np.searchsorted(mapped.ids, ids)
        known = places < len(mapped.ids)
        known[known] = mapped.ids[places[known]] == ids[known]
        known &= ~_contains(mapped.state.dead, places)
        try:
            return ids[known], mapped.read(places[known])
        except (DamagedFileError, OSError) as error:
            self.discard(error)
            return None

    def apply(self, update: StoreUpdate) -> None:
        """Append rows and mark removed ones; what is known already is left out.

        Raises:
            WriteError: The disk is full or failing.
        """
        with self._lock, reporting(self.folder), only_writer(self.folder):
            self.refresh()
            if update.replaces_all:
                state = _State(generation=update.generation, name=f"rows-{secrets.token_hex(4)}")
            elif self._mapped is None:
                return  # asks for everything
            else:
                state = self._mapped.state
            state = self._appended(state, update)
            if len(state.dead) > MAX_DEAD_SHARE * max(1, state.rows):
                self._mapped = None  # asks for everything
                return
            with sealing(self.folder / _MANIFEST, _SEAL) as stream:
                stream.write(state.packed(self.dimension))
            self.refresh()
            for old in self.folder.glob("rows-*.*"):
                if old.stem != state.name:
                    with suppress(OSError):
                        old.unlink()

    def save(self) -> None:
        """Do nothing: `apply` has written."""

    def close(self) -> None:
        """Unmap the files; arrays that were returned stay valid."""
        with self._lock:
            self._mapped, self._seen = None, ()

    def _appended(self, state: _State, update: StoreUpdate) -> _State:
        """Write the rows that are new, and return the state with them."""
        id_checks = _Checksums(state.id_checks, IDS_PER_BLOCK, state.rows, width=8)
        row_checks = _Checksums(
            state.row_checks, ROWS_PER_BLOCK, state.rows, width=4 * self.dimension
        )
        known = self.ids if not update.replaces_all else np.empty(0, np.int64)
        last = int(known[-1]) if len(known) else -1
        paths = (self.folder / f"{state.name}.i64", self.folder / f"{state.name}.f32")
        with (
            appending(paths[0], 8 * state.rows) as id_file,
            appending(paths[1], 4 * self.dimension * state.rows) as row_file,
        ):
            for ids, vectors in update.added:
                new = ids > last
                for file, checks, array in (
                    (id_file, id_checks, ids[new].astype("<i8")),
                    (row_file, row_checks, vectors[new].astype("<f4")),
                ):
                    file.write(array.tobytes())
                    checks.add(array.tobytes())
        for path in paths:
            flush_file(path)
        gone = update.removed[_contains(known, update.removed)]
        return _State(
            generation=max(update.generation, state.generation),
            name=state.name,
            rows=row_checks.rows,
            id_checks=id_checks.values(),
            row_checks=row_checks.values(),
            dead=np.union1d(state.dead, np.searchsorted(known, gone)),
        )


class _Checksums:
    """CRC-32 of every block of rows, which grow with what is appended."""

    def __init__(
        self, known: UInt32[np.ndarray, " b"], size: int, rows: int, *, width: int
    ) -> None:
        self._known = known.tolist()
        self._bytes_per_block, self._width, self._length = size * width, width, rows * width

    @property
    def rows(self) -> int:
        return self._length // self._width

    def add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            room = self._bytes_per_block - self._length % self._bytes_per_block
            part = view[:room]
            if self._length % self._bytes_per_block == 0:
                self._known.append(0)
            self._known[-1] = zlib.crc32(part, self._known[-1])
            self._length += len(part)
            view = view[room:]

    def values(self) -> UInt32[np.ndarray, " b"]:
        return np.array(self._known, np.uint32)


def _unpack(content: bytes, dimension: int) -> _State:
    """Return the state of a manifest, within its bounds."""
    head, _, body = content.partition(b"\n")
    if len(head) > 10_000:
        raise DamagedFileError("its head is too long")
    try:
        about = json.loads(head)
        generation, rows, dead = (about[key] for key in ("generation", "rows", "dead"))
        name, length = about["name"], about["dimension"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError("its head is damaged") from error
    if not all(type(n) is int and 0 <= n < MAX_ROWS for n in (generation, rows, dead)):
        raise DamagedFileError("a number is out of range")
    if not isinstance(name, str) or not name.startswith("rows-") or not name[5:].isalnum():
        raise DamagedFileError("its files have a strange name")
    if length != dimension:
        raise DamagedFileError("it has vectors of another length")
    counts = (-(-rows // IDS_PER_BLOCK), -(-rows // ROWS_PER_BLOCK))
    if len(body) != 4 * sum(counts) + 8 * dead:
        raise DamagedFileError("its tables have another length")
    checks, gone = body[: 4 * sum(counts)], np.frombuffer(body, "<i8", dead, 4 * sum(counts))
    tables = np.split(np.frombuffer(checks, "<u4"), [counts[0]])
    if dead and not (gone[0] >= 0 and gone[-1] < rows and (np.diff(gone) > 0).all()):
        raise DamagedFileError("the removed rows are out of range")
    return _State(
        generation=generation, name=name, rows=rows, id_checks=tables[0], row_checks=tables[1],
        dead=gone,
    )  # fmt: skip


def _map_ids(file: BinaryIO, state: _State) -> Int64[np.ndarray, " n"]:
    """Return the mapped ids, all checked; they are few bytes beside the vectors."""
    last = -1
    for block, check in enumerate(state.id_checks):
        count = min(IDS_PER_BLOCK, state.rows - block * IDS_PER_BLOCK)
        data = file.read(8 * count)
        if len(data) != 8 * count or zlib.crc32(data) != check:
            raise DamagedFileError(f"the checksum of block {block} of the ids does not match")
        ids = np.frombuffer(data, "<i8")
        if (np.diff(ids, prepend=last) <= 0).any():
            raise DamagedFileError("the ids are not ascending")
        last = int(ids[-1])
    if not state.rows:
        return np.empty(0, np.int64)
    mapped = mmap.mmap(file.fileno(), 8 * state.rows, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    return np.frombuffer(mapped, np.int64)


def _runs(values: Int64[np.ndarray, " n"], most: int) -> Iterator[Int64[np.ndarray, " m"]]:
    """Give the runs of values that follow each other, in pieces of at most ``most``."""
    edges = np.flatnonzero(np.diff(values) != 1) + 1
    for run in np.split(values, edges) if len(values) else ():
        for start in range(0, len(run), most):
            yield run[start : start + most]


def _contains(ascending: Int64[np.ndarray, " n"], values: Int64[np.ndarray, " m"]) -> np.ndarray:
    places = np.searchsorted(ascending, values)
    found = places < len(ascending)
    found[found] = ascending[places[found]] == values[found]
    return found
