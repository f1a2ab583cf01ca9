"""Comparison of rows with inverted lists, in tasks that threads, processes or machines share.

A task holds some lists, and the rows that are compared with them. The result does not depend on the
number of tasks, on their order, or on where they run: the most similar row wins, and of equally
similar rows the first.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from slic.neighbours.exact import update_nearest_

MapFunction = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Calls a function once per item, like the built-in ``map``; results come in the items' order."""
BLOCK_ROWS = 512
"""Sides of a block of similarities at most: 1 MiB, which stays in the processor's cache."""
NOT_FOUND = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Sharding:
    """Where the comparisons of a large search run.

    Args:
        map: Runs the tasks, for example ``ProcessPoolExecutor().map``, or a function that starts
            Ray tasks and gets their results. Function, items and results can be pickled.
        folder: A folder that all workers can read. The unit rows are written there for the time of
            the search, 4 bytes a value. None if the workers are threads of this process.

    Example:
        >>> with ProcessPoolExecutor(4) as pool:
        ...     finch(x, sharding=Sharding(pool.map, Path("/shared")))
    """

    map: MapFunction
    folder: Path | None = None


class Best(NamedTuple):
    """The most similar row found for every row; similarity -inf if there is none yet."""

    similarity: Float32[np.ndarray, " n"]
    nearest: Int64[np.ndarray, " n"]

    @classmethod
    def none_yet(cls, rows: int) -> "Best":
        """Return a result without neighbours."""
        return cls(np.full(rows, -np.inf, np.float32), np.full(rows, NOT_FOUND, np.int64))

    @classmethod
    def at_least(cls, similarity: Float32[np.ndarray, " n"]) -> "Best":
        """Return a result without neighbours, which only rows as similar as known ones enter."""
        below = np.nextafter(similarity, np.float32(-np.inf))
        return cls(below, np.full(len(below), NOT_FOUND, np.int64))

    def improve_(self, rows: Int64[np.ndarray, " m"], found: "Best") -> None:
        """Take over, in place, what is better; a row may appear several times."""
        useful = (found.nearest != NOT_FOUND) & (found.similarity >= self.similarity[rows])
        rows, similarity, index = rows[useful], found.similarity[useful], found.nearest[useful]
        before = self.similarity[rows]
        np.maximum.at(self.similarity, rows, similarity)
        now = self.similarity[rows]
        self.nearest[rows[now > before]] = NOT_FOUND
        winners = similarity == now
        np.minimum.at(self.nearest, rows[winners], index[winners])

    def moved(self, places: Int64[np.ndarray, " n"]) -> "Best":
        """Return the result for the rows in another order, ``rows[places]``."""
        new_place = np.empty(len(places) + 1, np.int64)
        new_place[places] = np.arange(len(places))
        new_place[-1] = NOT_FOUND
        index = np.minimum(self.nearest[places], len(places))  # the last place is for NOT_FOUND
        return Best(self.similarity[places], new_place[index])


class Queries(NamedTuple):
    """The rows to compare with some lists, list by list.

    Attributes:
        places: Positions of the rows.
        bounds: Where the queries of each list begin, and where the last ones end.
        known: Similarity to the nearest row found before; -inf if there is none.
    """

    places: Int64[np.ndarray, " m"]
    bounds: Int64[np.ndarray, " l"]
    known: Float32[np.ndarray, " m"]


@dataclass(frozen=True)
class Task:
    """Consecutive lists, and the rows to compare with each of them.

    Attributes:
        rows: Unit rows, list by list; or the file that holds them, for `numpy.load`.
        bounds: Where the lists begin in ``rows``, and where the last one ends.
        known: Similarity of the rows of the lists to the nearest row found before. Which row of a
            block is the nearest takes longer to find than how near it is, so it is searched only if
            it may be an improvement.
        queries: What is compared with the lists. None compares each list with itself.
    """

    rows: Float32[np.ndarray, "n d"] | Path
    bounds: Int64[np.ndarray, " l"]
    known: Float32[np.ndarray, " r"]
    queries: Queries | None = None


class Found(NamedTuple):
    """Results of a task, for its queries and for the members of its lists: what is an improvement.

    A row without one has `NOT_FOUND`.
    """

    queries: Best
    members: Best


def compare(task: Task) -> Found:
    """Compare the queries of a task with its lists; each serves the other as a neighbour."""
    array = np.load(task.rows, mmap_mode="c") if isinstance(task.rows, Path) else task.rows
    rows, first = torch.from_numpy(array), int(task.bounds[0])
    members = Best.at_least(task.known)
    queries = Best.none_yet(0) if task.queries is None else Best.at_least(task.queries.known)
    for at, (start, end) in enumerate(zip(task.bounds, task.bounds[1:], strict=False)):
        inside = range(int(start), int(end))
        best = Best(*(part[start - first : end - first] for part in members))
        if task.queries is None:
            _compare_within_(best, rows, inside)
        else:
            mine = slice(int(task.queries.bounds[at]), int(task.queries.bounds[at + 1]))
            asked = Best(*(part[mine] for part in queries))
            _compare_with_(asked, best, rows, task.queries.places[mine], inside)
    return Found(queries, members)


def _compare_within_(best: Best, rows: Float32[Tensor, "n d"], inside: range) -> None:
    """Compare all rows of a list with each other."""
    for a in _blocks(len(inside)):
        for b in _blocks(len(inside)):
            if b.start >= a.start:
                mine, theirs = inside[a], inside[b]
                similarity = rows[mine.start : mine.stop] @ rows[theirs.start : theirs.stop].T
                if a == b:
                    similarity.fill_diagonal_(-torch.inf)
                _update_(best, a, similarity, np.arange(theirs.start, theirs.stop))
                if a != b:
                    _update_(best, b, similarity.T, np.arange(mine.start, mine.stop))


def _compare_with_(
    asked: Best,
    best: Best,
    rows: Float32[Tensor, "n d"],
    queries: Int64[np.ndarray, " m"],
    inside: range,
) -> None:
    """Compare queries with all rows of a list, and the rows of the list with the queries."""
    for a in _blocks(len(queries)):
        gathered = rows[torch.from_numpy(queries[a])]
        for b in _blocks(len(inside)):
            theirs = inside[b]
            similarity = gathered @ rows[theirs.start : theirs.stop].T
            _update_(asked, a, similarity, np.arange(theirs.start, theirs.stop))
            _update_(best, b, similarity.T, queries[a])


def _update_(
    best: Best,
    block: slice,
    similarity: Float32[Tensor, "r c"],
    columns: Int64[np.ndarray, " c"],
) -> None:
    update_nearest_(
        torch.from_numpy(best.similarity[block]),
        torch.from_numpy(best.nearest[block]),
        similarity,
        torch.from_numpy(columns),
    )


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS))


def in_one_thread(function: Callable[[Any], Any], item: Any) -> Any:
    """Call a function in a process that has one core, whatever PyTorch would use."""
    torch.set_num_threads(1)
    return function(item)


def in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Call a function once per item, in as many threads as PyTorch uses; results keep their order.

    Each thread computes alone: blocks of this size are too small to be divided.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(function, items)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(function, items)
    finally:
        torch.set_num_threads(threads)  # threads set it for threads to come


LOCAL = Sharding(in_threads)
"""Threads of this process."""
