"""Approximate search for the nearest other row, in time about linear in the number of rows.

The rows are divided into inverted lists (`slic.neighbours.lists`). Each list is compared with
itself, then each row with the lists whose border is near (`slic.neighbours.borders`). A sample of
rows, whose true neighbours are searched exactly, decides how near. Where that takes many lists,
because clusters are small beside a list, the rows are divided again. Rows linked to their nearest
rows are then replaced by their mean direction, which has less noise than a row.
"""

import logging
import math
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from slic.neighbours.division import Division, Order, first_order
from slic.neighbours.lists import Fineness
from slic.neighbours.rows import paired_distances
from slic.neighbours.sharded import LOCAL, NOT_FOUND, Sharding, in_threads

MAX_LIST_POINTS = 512
FIRST_DIVISION = (256, 2)  # branches and steps of k-means; cheap, because all points take part
NEXT_DIVISION = (1024, 8)  # small clusters need more of both
MAX_DIVISIONS = 8
RECALL_SAMPLE_POINTS = 1000
MIN_SAMPLE_RECALL = 0.99  # then the recall of all points is above .98 with near certainty
AIMED_RECALL = 0.993  # of the sample that also decides how near a border is: a margin for its luck
ENOUGH_LISTS = 12.0  # lists per row, in the mean; where more are needed, the rows are divided again
FIRST_LISTS = 1.5  # lists per row before that

_log = logging.getLogger("slic")


class _Sample(NamedTuple):
    """Sampled points, and the nearest other point of each, as rows of the collection."""

    points: Int64[np.ndarray, " s"]
    nearest: Int64[np.ndarray, " s"]


def search_lists(
    x: Float[np.ndarray, "n d"],
    points: Int64[np.ndarray, " m"],
    *,
    seed: int,
    sharding: Sharding = LOCAL,
) -> tuple[Int64[np.ndarray, " m"], float] | None:
    """Return a near neighbour of every point among the points, and the recall.

    Args:
        x: Vectors of any length.
        points: The rows of ``x`` to search, which have different directions.
        seed: Seed of the sample and of the lists.
        sharding: Where comparisons run.

    Returns:
        Rows of ``x``, and the recall, at least ``MIN_SAMPLE_RECALL``. The recall is the share of
        ``RECALL_SAMPLE_POINTS`` points whose found row is as near as the nearest. None, with a log
        line, if enough lists would take longer than an exact search of all points, as among random
        directions.
    """
    with ExitStack() as stack:
        if sharding.folder is not None:
            folder = stack.enter_context(TemporaryDirectory(dir=sharding.folder))
            sharding = replace(sharding, folder=Path(folder))
        found = _search(x, points, seed, sharding)
    if found is None:
        _log.warning(
            "%d points have no clear neighbours, so all pairs of them are compared", len(points)
        )
    return found


def _search(
    x: Float[np.ndarray, "n d"], points: Int64[np.ndarray, " m"], seed: int, sharding: Sharding
) -> tuple[Int64[np.ndarray, " m"], float] | None:
    divisions = min(MAX_DIVISIONS, len(points) // (8 * MAX_LIST_POINTS))  # as long as exact search
    if divisions == 0:
        return None
    drawn = points[np.random.default_rng(seed).permutation(len(points))[:RECALL_SAMPLE_POINTS]]
    sample = None
    order = first_order(x, points, Fineness(MAX_LIST_POINTS, *FIRST_DIVISION), seed=seed)
    for number in range(1, divisions + 1):
        division = Division.of(x, order, sharding, name=f"rows-{number}.npy")
        division.compare_within_()
        sample = sample or _sample(x, division, drawn)
        _compare_near_(division, _limit(x, division, sample))
        recall = float(_found(x, order, sample).mean())
        if recall >= MIN_SAMPLE_RECALL:
            return _nearest(x, order)[points], recall
        # the first division misses small clusters; from the second on, each misses a like share
        hopeless = (1.0 - recall) ** (divisions / number) > 1.0 - MIN_SAMPLE_RECALL
        if number == divisions or (number > 1 and hopeless):
            break
        order = division.next_order(Fineness(MAX_LIST_POINTS, *NEXT_DIVISION), seed=seed + number)
        del division  # its rows, before the next ones are gathered
    return None


def _sample(
    x: Float[np.ndarray, "n d"], division: Division, drawn: Int64[np.ndarray, " s"]
) -> _Sample:
    nearest = division.true_nearest(_places(x, division.order, drawn))
    return _Sample(drawn, division.order.positions[nearest.nearest])


def _places(
    x: Float[np.ndarray, "n d"], order: Order, rows: Int64[np.ndarray, " s"]
) -> Int64[np.ndarray, " s"]:
    """Return where rows of the collection are in the order."""
    places = np.empty(len(x), np.int64)
    places[order.positions] = np.arange(len(order.positions))
    return np.asarray(places[rows])


def _nearest(x: Float[np.ndarray, "n d"], order: Order) -> Int64[np.ndarray, " n"]:
    """Return the nearest row found for every row; for one alone in its lists, the next row."""
    index = order.best.nearest
    index = np.where(index == NOT_FOUND, (np.arange(len(index)) + 1) % len(index), index)
    nearest = np.empty(len(x), np.int64)
    nearest[order.positions] = order.positions[index]
    return nearest


def _found(x: Float[np.ndarray, "n d"], order: Order, sample: _Sample) -> Bool[np.ndarray, " s"]:
    """Return whether the row found for each sampled point is as near as the nearest."""
    index = order.best.nearest[_places(x, order, sample.points)]
    found = order.positions[np.where(index == NOT_FOUND, 0, index)]
    nearest = paired_distances(x, sample.points, sample.nearest)
    near: Bool[np.ndarray, " s"] = paired_distances(x, sample.points, found) <= nearest
    return np.asarray(near & (index != NOT_FOUND))


def _limit(x: Float[np.ndarray, "n d"], division: Division, sample: _Sample) -> float:
    """Return up to which remoteness lists are compared.

    It is where enough sampled points find their nearest; or a point sees its list, or the reverse.
    Where that takes too many lists, it is where a point sees `FIRST_LISTS`.
    """
    here, there = (_places(x, division.order, rows) for rows in sample)
    seen = _remoteness(division, here)
    needed = np.minimum(
        _remoteness_of(division, seen, here, there),
        _remoteness_of(division, _remoteness(division, there), there, here),
    )
    needed[_found(x, division.order, sample)] = -np.inf
    enough = np.sort(needed)[math.ceil(AIMED_RECALL * len(needed)) - 1]
    if enough < np.inf and (seen <= enough).sum() <= ENOUGH_LISTS * len(seen):
        return float(enough)
    few = min(int(FIRST_LISTS * len(seen)), seen.size - 1)
    return float(np.partition(seen.ravel(), few)[few])


def _remoteness(division: Division, places: Int64[np.ndarray, " s"]) -> Float32[np.ndarray, "s c"]:
    """Return the remoteness of the lists beside the list of each row, a row at a time."""
    rows, lists = division.rows, division.list_of_place[places].tolist()
    best = division.order.best.similarity
    return np.concatenate(
        [
            division.borders.remoteness(rows[place : place + 1], one, best[place : place + 1])
            for place, one in zip(places.tolist(), lists, strict=True)
        ]
    )


def _remoteness_of(
    division: Division,
    seen: Float32[np.ndarray, "s c"],
    here: Int64[np.ndarray, " s"],
    there: Int64[np.ndarray, " s"],
) -> Float32[np.ndarray, " s"]:
    """Return the remoteness of the list of another row; infinity if it is not beside the own."""
    beside = division.borders.beside[division.list_of_place[here]]
    same = beside == division.list_of_place[there][:, None]
    return np.asarray(np.where(same, seen, np.float32(np.inf)).min(axis=1, initial=np.inf))


def _compare_near_(division: Division, limit: float) -> None:
    """Compare every row with the lists that are less remote."""
    near = partial(_near_lists, division, limit)
    pairs = list(in_threads(near, range(len(division.order.sizes))))
    division.compare_(*(np.concatenate(part) for part in zip(*pairs, strict=True)))


def _near_lists(
    division: Division, limit: float, one_list: int
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Return pairs of a row of a list, by place, and another list."""
    start, end = division.bounds[one_list : one_list + 2].tolist()
    best = division.order.best.similarity[start:end]
    row, other = division.borders.near(division.rows[start:end], one_list, best, limit)
    return start + row, other
