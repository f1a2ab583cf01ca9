"""The mapped files of vectors: what their manifest says, and reading rows that are checked."""

import json
import os
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt32

from slic.sealed import DamagedFileError
from slic.search.repository.moments import rows_without_unit_parts
from slic.search.stores.disk_files import map_file, open_sized, read_at, will_need

ROWS_PER_BLOCK: Final = 64  # that have one checksum; a search needs rows from many places
IDS_PER_BLOCK: Final = 1 << 16
MAX_BLOCKS_ASKED: Final = 1024  # of the disk at once
MAX_ROWS_READ: Final = 1 << 14  # at a time
MAX_ROWS: Final = 1 << 40


@dataclass(frozen=True, kw_only=True)
class VectorState:
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

    def checksums(self, dimension: int) -> tuple["Checksums", "Checksums"]:
        """Return the checksums of the ids and of the rows, to be continued."""
        return (
            Checksums(self.id_checks, IDS_PER_BLOCK, self.rows, width=8),
            Checksums(self.row_checks, ROWS_PER_BLOCK, self.rows, width=4 * dimension),
        )


class MappedRows:
    """The mapped files of one state, and which blocks were checked."""

    def __init__(self, folder: Path, state: VectorState, dimension: int) -> None:
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
        mapped = map_file(self._file, self._size * self.state.rows, changeable=True)
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
        data = read_at(self._file, self._size * start, self._size * count)
        if len(data) != self._size * count:
            raise DamagedFileError("it was cut off")
        return np.frombuffer(data, "<f4").reshape(count, self.dimension)


class Checksums:
    """CRC-32 of every block of rows, which grow with what is appended."""

    def __init__(
        self, known: UInt32[np.ndarray, " b"], size: int, rows: int, *, width: int
    ) -> None:
        self._known = known.tolist()
        self._bytes_per_block, self._width, self._length = size * width, width, rows * width

    @property
    def rows(self) -> int:
        """Number of rows so far."""
        return self._length // self._width

    def add(self, data: bytes) -> None:
        """Append whole rows."""
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
        """Return the checksum of each block; the last block may be partly filled."""
        return np.array(self._known, np.uint32)


def unpack_state(content: bytes, dimension: int) -> VectorState:
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
    return VectorState(
        generation=generation, name=name, rows=rows, id_checks=tables[0], row_checks=tables[1],
        dead=gone,
    )  # fmt: skip


def _map_ids(file: BinaryIO, state: VectorState) -> Int64[np.ndarray, " n"]:
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
    mapped = map_file(file.fileno(), 8 * state.rows, changeable=False)
    return np.frombuffer(mapped, np.int64)


def _runs(values: Int64[np.ndarray, " n"], most: int) -> Iterator[Int64[np.ndarray, " m"]]:
    """Give the runs of values that follow each other, in pieces of at most ``most``."""
    edges = np.flatnonzero(np.diff(values) != 1) + 1
    for run in np.split(values, edges) if len(values) else ():
        for start in range(0, len(run), most):
            yield run[start : start + most]
