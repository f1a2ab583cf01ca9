"""Approximate search for the most similar other row, in time about linear in the rows.

A tree divides the points into cells by spherical k-means, and large cells again, until a cell has
few points; these are compared all with all. What one tree parts, another one made of other draws
keeps together, so trees are added until enough sampled points have found their true neighbour.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from slic.neighbours.exact import improve, nearest_others_of
from slic.neighbours.rows import BLOCK, mean_directions, nearest_centres, paired_distances

LEAF = 1000  # points that are compared all with all
BRANCHES = 1024  # cells of one division at most
TRAINING = 32  # points a cell that the division is learnt from
ITERATIONS = 2  # more make the trees alike, so that more of them are needed
SAMPLED = 1000
ENOUGH = 0.99  # of the sample; then .98 of all is nearly certain


def search_forest(
    unit: Float32[np.ndarray, "n d"], *, seed: int
) -> tuple[Int64[np.ndarray, " n"], float] | None:
    """Return the most similar row found for every row, and the recall; None when it does not pay.

    The recall is the share of ``SAMPLED`` points, drawn once, whose found row is as near as the
    nearest, which exact search gives; it is at least ``ENOUGH``. Where the trees so far promise
    less by the time that exact search of all points would take, as among random directions, there
    is no outcome.
    """
    n = len(unit)
    sampled = np.random.default_rng(seed).permutation(n)[:SAMPLED]
    shortest = paired_distances(unit, sampled, nearest_others_of(sampled, unit))
    best = torch.full((n,), -torch.inf)
    index = (torch.arange(n) + 1) % n  # never itself, not even for a point alone in its cells
    most = n // (4 * LEAF)  # trees that cost as much as exact search
    for tree in range(1, most + 1):
        for leaf in _leaves(unit, np.random.default_rng((seed, tree))):
            _compare(torch.from_numpy(unit), torch.from_numpy(leaf), best, index)
        found = paired_distances(unit, sampled, index.numpy()[sampled])
        recall = float((found <= shortest).mean())
        if recall >= ENOUGH:
            return index.numpy(), recall
        if (1.0 - recall) ** (most / tree) > 1.0 - ENOUGH:  # the misses left at this pace
            break
    return None


def _compare(
    rows: Float32[Tensor, "n d"],
    leaf: Int64[Tensor, " m"],
    best: Float32[Tensor, " n"],
    index: Int64[Tensor, " n"],
) -> None:
    """Update the best of all points of a leaf in place."""
    here = rows[leaf]
    similarity = here @ here.T
    similarity.fill_diagonal_(-torch.inf)
    best_here, index_here = best[leaf], index[leaf]
    improve(best_here, index_here, similarity, leaf)
    best[leaf], index[leaf] = best_here, index_here


def _leaves(
    unit: Float32[np.ndarray, "n d"], rng: np.random.Generator
) -> Iterator[Int64[np.ndarray, " m"]]:
    """Yield the cells of one tree; every point is in one of them."""
    waiting = [np.arange(len(unit))]
    while waiting:
        points = waiting.pop()
        if len(points) <= LEAF:
            yield points
        else:
            waiting += _divide(unit, points, rng)


def _divide(
    unit: Float32[np.ndarray, "n d"], points: Int64[np.ndarray, " m"], rng: np.random.Generator
) -> list[Int64[np.ndarray, " c"]]:
    """Return the points in at least two parts."""
    cells = min(BRANCHES, -(-2 * len(points) // LEAF))
    drawn = unit[rng.permutation(points)[: TRAINING * cells]]
    centres = drawn[:cells]
    for _ in range(ITERATIONS):
        centres = mean_directions(drawn, nearest_centres(drawn, centres)[0], k=cells)
    blocks = (points[start : start + BLOCK] for start in range(0, len(points), BLOCK))
    cell = np.concatenate([nearest_centres(unit[block], centres)[0] for block in blocks])
    order, sizes = np.argsort(cell, kind="stable"), np.bincount(cell)
    if sizes.max() == len(points):  # alike up to rounding
        return np.array_split(rng.permutation(points), 2)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])
