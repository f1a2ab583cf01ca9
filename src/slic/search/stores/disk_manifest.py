"""The sealed manifest of the inverted file on disk: cells, segments, removed moments."""

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from slic.sealed import DamagedFileError, Seal
from slic.search.stores.segments import Segment

LISTS_FORMAT: Final = 1
SEAL: Final = Seal("disk lists", LISTS_FORMAT)
MAX_NUMBER: Final = 1 << 40
MAX_SEGMENTS: Final = 1000


class DiskState(NamedTuple):
    """What a manifest says.

    Attributes:
        generation: Generation of the database.
        trained_for: Number of moments when the cells were trained.
        last_id: The largest id that was ever added; -1 if none was.
        centres: Centres of the cells of each part.
        ranges: Of the scalar quantiser: the least value and the range of each number.
        segments: The segments, in the order of their ids.
        dead: Ids of removed moments that are in a segment, ascending.
    """

    generation: int
    trained_for: int
    last_id: int
    centres: tuple[Float32[np.ndarray, "cells _"], ...]
    ranges: Float32[np.ndarray, " r"]
    segments: tuple[Segment, ...]
    dead: Int64[np.ndarray, " d"]

    @property
    def rows(self) -> int:
        """Number of vectors, also of removed moments."""
        return sum(segment.rows for segment in self.segments)

    @property
    def lists(self) -> int:
        """Number of lists."""
        return math.prod(len(part) for part in self.centres)

    def quantiser(self) -> faiss.ScalarQuantizer:
        """Return the quantiser that makes codes of vectors."""
        dimension = sum(part.shape[1] for part in self.centres)
        made = faiss.ScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit)
        faiss.copy_array_to_vector(self.ranges, made.trained)
        return made


def pack_state(state: DiskState) -> bytes:
    """Return the content of a manifest."""
    about = {
        "generation": state.generation,
        "trained_for": state.trained_for,
        "last_id": state.last_id,
        "parts": [part.shape[1] for part in state.centres],
        "cells": len(state.centres[0]),
        "segments": [segment.name for segment in state.segments],
        "dead": len(state.dead),
    }
    arrays = [*(part.astype("<f4") for part in state.centres), state.ranges.astype("<f4")]
    for segment in state.segments:
        arrays += [segment.sizes.astype("<i8"), segment.checks.astype("<u4")]
    arrays.append(state.dead.astype("<i8"))
    return json.dumps(about).encode() + b"\n" + b"".join(array.tobytes() for array in arrays)


def unpack_state(content: bytes, parts: Sequence[int]) -> DiskState:
    """Return the state of a manifest.

    Args:
        content: The content.
        parts: Lengths of the parts of a vector of the index.

    Raises:
        DamagedFileError: Something is out of its bounds.
    """
    head, _, body = content.partition(b"\n")
    try:
        about = json.loads(head)
        numbers = [about[key] for key in ("generation", "trained_for", "cells", "dead")]
        last, found, names = about["last_id"], about["parts"], about["segments"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError("its head is damaged") from error
    bounded = (*numbers, last + 1 if type(last) is int else None)
    if not all(type(n) is int and 0 <= n < MAX_NUMBER for n in bounded):
        raise DamagedFileError("a number is out of range")
    if found != list(parts):
        raise DamagedFileError("it has vectors of other lengths")
    generation, trained_for, cells, dead = numbers
    _check_names(names)
    lists = cells ** len(parts)
    dimension = sum(parts)
    lengths = [4 * cells * part for part in parts] + [8 * dimension]
    lengths += [8 * lists, 4 * lists] * len(names) + [8 * dead]
    if not cells or len(body) != sum(lengths):
        raise DamagedFileError("its tables have another length")
    edges = np.cumsum([0, *lengths])
    tables = [body[a:b] for a, b in pairwise(edges.tolist())]
    state = DiskState(
        generation=generation,
        trained_for=trained_for,
        last_id=last,
        centres=tuple(
            np.frombuffer(table, "<f4").reshape(cells, part)
            for table, part in zip(tables, parts, strict=False)
        ),
        ranges=np.frombuffer(tables[len(parts)], "<f4"),
        segments=tuple(
            Segment(name, np.frombuffer(sizes, "<i8"), np.frombuffer(checks, "<u4"))
            for name, sizes, checks in zip(
                names, tables[len(parts) + 1 : -1 : 2], tables[len(parts) + 2 : -1 : 2], strict=True
            )
        ),
        dead=np.frombuffer(tables[-1], "<i8"),
    )
    _check_tables(state)
    return state


def _check_names(names: object) -> None:
    if not isinstance(names, list) or len(names) > MAX_SEGMENTS:
        raise DamagedFileError("its segments are damaged")
    for name in names:
        known = isinstance(name, str) and name.startswith("segment-") and name[8:].isalnum()
        if not known or len(name) > 30:
            raise DamagedFileError("a segment has a strange name")


def _check_tables(state: DiskState) -> None:
    if not all(np.isfinite(table).all() for table in (*state.centres, state.ranges)):
        raise DamagedFileError("its cells are not finite")
    for segment in state.segments:
        if (segment.sizes < 0).any() or (segment.sizes >= MAX_NUMBER).any():
            raise DamagedFileError("the size of a list is out of range")
        if not segment.rows:
            raise DamagedFileError("a segment is empty")
    if (np.diff(state.dead) <= 0).any():
        raise DamagedFileError("the removed moments are not ascending")
