"""First neighbours by cosine distance, in memory that grows with the number of points."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, UInt64

from slic.errors import TrainingError
from slic.neighbours.exact import nearest_others
from slic.neighbours.forest import search_forest
from slic.neighbours.rows import BLOCK, directions, paired_distances

EXACT_UP_TO = 50_000
"""Points whose neighbours are searched exactly: some 6 CPU-seconds; it grows with the square."""


@dataclass(frozen=True)
class FirstNeighbours:
    """Every point's nearest other point, and the cosine distance to it.

    Attributes:
        index: The neighbours.
        distance: The distances to them.
        recall: Share of 1,000 sampled points that have their true neighbour; None when all have,
            being searched exactly.
    """

    index: Int[np.ndarray, " n"]
    distance: Float64[np.ndarray, " n"]
    recall: float | None


def first_neighbours(
    x: Float[np.ndarray, "n d"], *, exact_up_to: int = EXACT_UP_TO, seed: int = 0
) -> FirstNeighbours:
    """Return the nearest other point of every point, by cosine distance.

    O(n·d) memory. Up to ``exact_up_to`` points the search is exact; of more, at least .99 of a
    sample have their true neighbour (see `slic.neighbours.forest`). Rules for ties, so that the
    outcome is the same every time:

    - of several nearest points the first in order is the neighbour (in exact search);
    - points in exactly the same direction have the first of them as neighbour, and the first has
      the second; other points see only the first of them;
    - an all-zero row has no direction: its distance to everything but other zero rows is 1.

    Args:
        x: One embedding a row.
        exact_up_to: Points in different directions.
        seed: Of the approximate search; the exact one draws nothing.

    Raises:
        TrainingError: Fewer than two points, or values that are not finite.
    """
    if len(x) < 2:
        raise TrainingError(f"{len(x)} embeddings: a neighbour needs at least two.")
    unit = directions(x)
    first, group = _distinct(unit)
    unit = unit[first]
    found = search_forest(unit, seed=seed) if len(first) > exact_up_to else None
    nearest, recall = found or (nearest_others(unit), None)
    index = np.where(np.arange(len(x)) == first[group], first[nearest][group], first[group])
    for_first, second = _second_members(group)
    index[first[for_first]] = second
    return FirstNeighbours(index, paired_distances(x, np.arange(len(x)), index), recall)


def _distinct(
    unit: Float32[np.ndarray, "n d"],
) -> tuple[Int[np.ndarray, " g"], Int[np.ndarray, " n"]]:
    """Return the first row of every direction in order, and each row's place among these."""
    _, place, times = np.unique(_fingerprints(unit), return_inverse=True, return_counts=True)
    alike = np.flatnonzero(times[place] > 1)
    _, first, group = np.unique(unit[alike] + 0.0, axis=0, return_index=True, return_inverse=True)
    first_of = np.arange(len(unit))
    first_of[alike] = alike[first[group.ravel()]]
    return np.unique(first_of, return_inverse=True)


def _fingerprints(unit: Float32[np.ndarray, "n d"]) -> UInt64[np.ndarray, " n"]:
    """Return numbers that are equal for equal rows, and hardly ever for others."""
    weight = np.random.default_rng(0).integers(2**63, size=unit.shape[1], dtype=np.uint64)
    key = np.empty(len(unit), dtype=np.uint64)
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK] + 0.0  # -0.0 equals 0.0 but has other bytes
        key[start : start + BLOCK] = block.view(np.uint32).astype(np.uint64) @ weight
    return key


def _second_members(
    group: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return the groups of two and more, and the second position of each."""
    by_group = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    groups = np.flatnonzero(sizes > 1)
    return groups, by_group[starts[groups] + 1]
