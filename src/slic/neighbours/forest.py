"""Approximate search for the nearest other row, in time about linear in the number of rows.

A tree divides the points into cells by spherical k-means, and large cells again, until every cell
is small. Within a cell, all points are compared with all. Neighbours that one tree separates are
kept together by another tree with other random draws. Trees are added until enough of the sampled
points have found their true neighbour.
"""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from slic.neighbours.exact import nearest_rows, update_nearest_
from slic.neighbours.rows import ROWS_PER_BLOCK, mean_directions, paired_distances

MAX_LEAF_POINTS = 1000  # a cell of so many is compared all with all
MAX_BRANCHES = 1024  # cells of one division
TRAINING_POINTS_PER_CELL = 32
KMEANS_STEPS = 2  # more steps make the trees alike, so that more trees are needed
RECALL_SAMPLE_POINTS = 1000
RECALL_SAMPLE_PARTS = 8  # searched one after the other: 32 MiB of similarities at once
MIN_SAMPLE_RECALL = 0.99  # then the recall of all points is above .98 with near certainty

_log = logging.getLogger("slic")


def search_forest(
    unit: Float32[np.ndarray, "n d"], *, seed: int
) -> tuple[Int64[np.ndarray, " n"], float] | None:
    """Return a near neighbour of every row, and the recall.

    Args:
        unit: Unit rows.
        seed: Seed of the sample and of the trees.

    Returns:
        Positions of the nearest rows found, and the recall, at least ``MIN_SAMPLE_RECALL``. The
        recall is the share of ``RECALL_SAMPLE_POINTS`` points whose found row is as near as the
        nearest, which exact search gives. None, with a log line, if enough trees would take longer
        than an exact search of all points, as among random directions.
    """
    n = len(unit)
    sampled = np.random.default_rng(seed).permutation(n)[:RECALL_SAMPLE_POINTS]
    parts = np.array_split(sampled, RECALL_SAMPLE_PARTS)
    true = np.concatenate(
        [nearest_rows(unit[part], unit, 1, excluded=part).indices[:, 0] for part in parts]
    )
    shortest = paired_distances(unit, sampled, true)
    best = torch.full((n,), -torch.inf)
    index = (torch.arange(n) + 1) % n  # never itself, not even for a point alone in its cells
    max_trees = n // (4 * MAX_LEAF_POINTS)  # as many cost as much as exact search
    for tree in range(1, max_trees + 1):
        for leaf in _leaves(unit, np.random.default_rng((seed, tree))):
            _compare(torch.from_numpy(unit), torch.from_numpy(leaf), best, index)
        found = paired_distances(unit, sampled, index.numpy()[sampled])
        recall = float((found <= shortest).mean())
        if recall >= MIN_SAMPLE_RECALL:
            return index.numpy(), recall
        if (1.0 - recall) ** (max_trees / tree) > 1.0 - MIN_SAMPLE_RECALL:  # misses at this pace
            break
    _log.warning("%d points have no clear neighbours, so all pairs of them are compared", n)
    return None


def _compare(
    rows: Float32[Tensor, "n d"],
    leaf: Int64[Tensor, " m"],
    best: Float32[Tensor, " n"],
    index: Int64[Tensor, " n"],
) -> None:
    """Update the best neighbours of all points of a leaf in place."""
    members = rows[leaf]
    similarity = members @ members.T
    similarity.fill_diagonal_(-torch.inf)
    leaf_best, leaf_index = best[leaf], index[leaf]
    update_nearest_(leaf_best, leaf_index, similarity, leaf)
    best[leaf], index[leaf] = leaf_best, leaf_index


def _leaves(
    unit: Float32[np.ndarray, "n d"], rng: np.random.Generator
) -> Iterator[Int64[np.ndarray, " m"]]:
    """Yield the leaves of one tree; every point is in exactly one."""
    waiting = [np.arange(len(unit))]
    while waiting:
        points = waiting.pop()
        if len(points) <= MAX_LEAF_POINTS:
            yield points
        else:
            waiting += _divide(unit, points, rng)


def _divide(
    unit: Float32[np.ndarray, "n d"], points: Int64[np.ndarray, " m"], rng: np.random.Generator
) -> list[Int64[np.ndarray, " c"]]:
    """Return the points in at least two cells."""
    cells = min(MAX_BRANCHES, -(-2 * len(points) // MAX_LEAF_POINTS))
    drawn = unit[rng.permutation(points)[: TRAINING_POINTS_PER_CELL * cells]]
    centres = drawn[:cells]
    for _ in range(KMEANS_STEPS):
        nearest = nearest_rows(drawn, centres, 1).indices[:, 0]
        centres = mean_directions(drawn, nearest, k=cells)
    starts = range(0, len(points), ROWS_PER_BLOCK)  # a copy of all rows would take their memory
    blocks = (unit[points[start : start + ROWS_PER_BLOCK]] for start in starts)
    cell = np.concatenate([nearest_rows(block, centres, 1).indices[:, 0] for block in blocks])
    order, sizes = np.argsort(cell, kind="stable"), np.bincount(cell)
    if sizes.max() == len(points):  # equal up to rounding
        return np.array_split(rng.permutation(points), 2)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])
