"""First neighbours: the nearest other point of every point, the input of FINCH."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, UInt64

from slic.errors import TrainingError
from slic.neighbours.approximate import search_lists
from slic.neighbours.exact import nearest_others
from slic.neighbours.rows import blocks, paired_distances, require_finite, unit_rows
from slic.neighbours.sharded import LOCAL, Sharding

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
    x: Float[np.ndarray, "n d"],
    *,
    exact_up_to: int = MAX_EXACT_POINTS,
    seed: int = 0,
    sharding: Sharding = LOCAL,
) -> FirstNeighbours:
    """Return the nearest other point of every point by cosine distance, in O(n * d) memory.

    The memory is that of the unit rows in single precision, beside ``x`` itself, which may be a
    memory map.

    Ties are broken by rule, so that equal input gives equal output:

    - Of several nearest points, the first is the neighbour (exact search only).
    - Points in exactly the same direction have the first of them as neighbour, and the first has
      the second. For all other points, only the first of them exists.
    - An all-zero row has no direction. Its distance is 0 to other zero rows and 1 to the rest.

    Args:
        x: One embedding per row.
        exact_up_to: Largest number of distinct directions that are searched exactly. Above it, the
            search is approximate: at least 99 % of a sample have their true neighbour
            (`slic.neighbours.approximate`).
        seed: Seed of the approximate search.
        sharding: Where the approximate search runs. It does not change the result.

    Raises:
        TrainingError: Fewer than two points.
        EmbeddingsError: Values that are not finite.

    Example:
        >>> first_neighbours(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])).index
        array([1, 0, 1])
    """
    if len(x) < 2:
        raise TrainingError(f"{len(x)} embeddings: a neighbour needs at least two.")
    require_finite(x)
    first, group = _distinct(x)
    found = None
    if len(first) > exact_up_to:
        found = search_lists(x, first, seed=seed, sharding=sharding)
    nearest, recall = found or (first[nearest_others(unit_rows(x[first]))], None)
    index = np.where(np.arange(len(x)) == first[group], nearest[group], first[group])
    for_first, second = _second_members(group)
    index[first[for_first]] = second
    return FirstNeighbours(index, paired_distances(x, np.arange(len(x)), index), recall)


def _distinct(
    x: Float[np.ndarray, "n d"],
) -> tuple[Int[np.ndarray, " g"], Int[np.ndarray, " n"]]:
    """Return the first row of every distinct direction, and the group of every row."""
    alike = _repeated(_hashes(x))
    if len(alike) == 0:
        return np.arange(len(x)), np.arange(len(x))
    unit = unit_rows(x[alike]) + 0.0
    _, first, group = np.unique(unit, axis=0, return_index=True, return_inverse=True)
    first_of = np.arange(len(x))
    first_of[alike] = alike[first[group.ravel()]]
    return np.unique(first_of, return_inverse=True)


def _repeated(keys: UInt64[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Return the positions, ascending, of keys that appear more than once."""
    order = np.argsort(keys)
    same = keys[order[1:]] == keys[order[:-1]]
    return np.unique(np.concatenate([order[1:][same], order[:-1][same]]))


def _hashes(x: Float[np.ndarray, "n d"]) -> UInt64[np.ndarray, " n"]:
    """Return numbers that are equal for equal directions, and almost never for different ones.

    They spare a sort of all rows, of which hardly any are equal.
    """
    weight = np.random.default_rng(0).integers(2**63, size=x.shape[1], dtype=np.uint64)
    key = np.empty(len(x), dtype=np.uint64)
    for block in blocks(len(x)):
        unit = unit_rows(x[block]) + 0.0  # -0.0 equals 0.0 but has other bytes
        key[block] = unit.view(np.uint32).astype(np.uint64) @ weight
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
