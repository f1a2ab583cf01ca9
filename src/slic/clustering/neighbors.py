"""Exact first neighbours by cosine distance, in memory that grows with the number of points."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from slic.errors import TrainingError

BLOCK = 1024
"""Points a side of a block of similarities: its 4 MiB stays in the processor's cache."""


@dataclass(frozen=True)
class FirstNeighbors:
    """Every point's nearest other point, and the cosine distance to it."""

    index: Int[np.ndarray, " n"]
    distance: Float64[np.ndarray, " n"]


def first_neighbors(x: Float[np.ndarray, "n d"]) -> FirstNeighbors:
    """Return the nearest other point of every point, by cosine distance.

    The similarities are computed in blocks, each for its rows and its columns at once: O(n·d)
    memory, half of n² products. Rules for ties, so that the outcome is the same every time:

    - of several nearest points the first in order is the neighbour;
    - points in exactly the same direction have the first of them as neighbour, and the first has
      the second; other points see only the first of them;
    - an all-zero row has no direction: its distance to everything but other zero rows is 1.

    Raises:
        TrainingError: Fewer than two points, or values that are not finite.
    """
    if len(x) < 2:
        raise TrainingError(f"{len(x)} embeddings: a neighbour needs at least two.")
    unit = directions(x)
    # -0.0 equals 0.0 but has other bytes
    _, first, group = np.unique(unit + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # np.unique sorts by value, ties shall go by position
    first, group = first[order], np.argsort(order)[group.ravel()]
    nearest = first[_nearest_others(unit[first])] if len(first) > 1 else first
    index = np.where(np.arange(len(x)) == first[group], nearest[group], first[group])
    for_first, second = _second_members(group)
    index[first[for_first]] = second
    return FirstNeighbors(index, paired_distances(x, x[index]))


def directions(x: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Return the rows at length 1 (zero rows stay zero).

    Raises:
        TrainingError: Values that are not finite.
    """
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        rows = ", ".join(map(str, bad[:3])) + (", ..." if len(bad) > 3 else "")
        raise TrainingError(
            f"{len(bad)} of {len(x)} embeddings are not finite (rows {rows}): the encoder has "
            "diverged. Lower the learning rate or train in fp32."
        )
    return _unit_rows(x).astype(np.float32)


def paired_distances(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]
) -> Float64[np.ndarray, " n"]:
    """Return the cosine distance of every row of ``x`` to the same row of ``y``, in float64."""
    similarity = np.einsum("nd,nd->n", _unit_rows(x), _unit_rows(y))
    distance: Float64[np.ndarray, " n"] = np.clip(1.0 - similarity, 0.0, 2.0)
    return distance


def _unit_rows(x: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    scale = np.abs(x).max(axis=1, keepdims=True, initial=0.0)  # squares neither overflow nor vanish
    rows = x.astype(np.float64) / np.where(scale > 0, scale, 1.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float64[np.ndarray, "n d"] = rows / np.where(length > 0, length, 1.0)
    return unit


def _second_members(
    group: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return the groups of two and more, and the second position of each."""
    by_group = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    groups = np.flatnonzero(sizes > 1)
    return groups, by_group[starts[groups] + 1]


def _nearest_others(unit: Float32[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """Return the most similar other row of every row, the first one in a tie."""
    rows = torch.from_numpy(np.ascontiguousarray(unit))
    best = torch.full((len(rows),), -torch.inf)
    index = torch.zeros(len(rows), dtype=torch.long)
    for a in range(0, len(rows), BLOCK):
        for b in range(a, len(rows), BLOCK):
            similarity = rows[a : a + BLOCK] @ rows[b : b + BLOCK].T
            if a == b:
                similarity.fill_diagonal_(-torch.inf)
            _improve(best[a : a + BLOCK], index[a : a + BLOCK], similarity, first=b)
            if a != b:
                _improve(best[b : b + BLOCK], index[b : b + BLOCK], similarity.T, first=a)
    return index.numpy()


def _improve(
    best: Float32[Tensor, " r"],
    index: Int[Tensor, " r"],
    similarity: Float32[Tensor, "r c"],
    *,
    first: int,
) -> None:
    """Update the best column of every row in place; column 0 is the point ``first``."""
    highest = similarity.amax(dim=1)
    # the maximum is quick, its position is not: look for it only where it counts
    better = (highest > best).nonzero().squeeze(1)
    best[better] = highest[better]
    position = (similarity[better] == highest[better, None]).to(torch.uint8).argmax(dim=1)
    index[better] = position + first
