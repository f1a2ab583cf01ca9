"""First neighbours: the nearest other point of every point, the input of FINCH."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, UInt64

from slic.errors import TrainingError
from slic.neighbours.exact import nearest_others
from slic.neighbours.forest import search_forest
from slic.neighbours.rows import ROWS_PER_BLOCK, paired_distances, unit_rows

MAX_EXACT_POINTS = 50_000
"""Points up to which the search is exact: some 6 CPU-seconds; time grows with the square."""


@dataclass(frozen=True)
class FirstNeighbours:
    """The nearest other point of every point.

    Attributes:
        index: Positions of the neighbours.
        distance: Cosine distances to them, in [0, 2].
        recall: Share of 1,000 sampled points whose true neighbour was found. None if the search was
            exact.
    """

    index: Int[np.ndarray, " n"]
    distance: Float64[np.ndarray, " n"]
    recall: float | None


def first_neighbours(
    x: Float[np.ndarray, "n d"], *, exact_up_to: int = MAX_EXACT_POINTS, seed: int = 0
) -> FirstNeighbours:
    """Return the nearest other point of every point by cosine distance, in O(n * d) memory.

    Ties are broken by rule, so that equal input gives equal output:

    - Of several nearest points, the first is the neighbour (exact search only).
    - Points in exactly the same direction have the first of them as neighbour, and the first has
      the second. For all other points, only the first of them exists.
    - An all-zero row has no direction. Its distance is 0 to other zero rows and 1 to the rest.

    Args:
        x: One embedding per row.
        exact_up_to: Largest number of distinct directions that are searched exactly. Above it, the
            search is approximate: at least 99 % of a sample have their true neighbour
            (`slic.neighbours.forest`).
        seed: Seed of the approximate search.

    Raises:
        TrainingError: Fewer than two points.
        EmbeddingsError: Values that are not finite.

    Example:
        >>> first_neighbours(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])).index
        array([1, 0, 1])
    """
    if len(x) < 2:
        raise TrainingError(f"{len(x)} embeddings: a neighbour needs at least two.")
    unit = unit_rows(x)
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
    """Return the first row of every distinct direction, and the group of every row."""
    _, place, times = np.unique(_hashes(unit), return_inverse=True, return_counts=True)
    alike = np.flatnonzero(times[place] > 1)
    _, first, group = np.unique(unit[alike] + 0.0, axis=0, return_index=True, return_inverse=True)
    first_of = np.arange(len(unit))
    first_of[alike] = alike[first[group.ravel()]]
    return np.unique(first_of, return_inverse=True)


def _hashes(unit: Float32[np.ndarray, "n d"]) -> UInt64[np.ndarray, " n"]:
    """Return numbers that are equal for equal rows, and almost never for different ones.

    They spare a sort of all rows, of which hardly any are equal.
    """
    weight = np.random.default_rng(0).integers(2**63, size=unit.shape[1], dtype=np.uint64)
    key = np.empty(len(unit), dtype=np.uint64)
    for start in range(0, len(unit), ROWS_PER_BLOCK):
        block = unit[start : start + ROWS_PER_BLOCK] + 0.0  # -0.0 equals 0.0 but has other bytes
        key[start : start + ROWS_PER_BLOCK] = block.view(np.uint32).astype(np.uint64) @ weight
    return key


def _second_members(
    group: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return the groups of two or more rows, and the second row of each."""
    by_group = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    groups = np.flatnonzero(sizes > 1)
    return groups, by_group[starts[groups] + 1]
