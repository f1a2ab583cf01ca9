"""Inverted lists: a partition of rows into cells of similar directions.

Spherical k-means divides the rows into cells, and the cells again, until every cell is small. So
the cost of a row grows with the depth, not with the number of lists.
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from slic.neighbours.rows import ROWS_PER_BLOCK, mean_directions, unit_rows
from slic.neighbours.sharded import in_threads

TRAINING_POINTS_PER_CELL = 32


@dataclass(frozen=True)
class Fineness:
    """How rows are divided.

    Args:
        points: Largest number of points of a list; the mean is about half.
        branches: Largest number of cells of one division.
        steps: Steps of k-means.
    """

    points: int
    branches: int
    steps: int


def divide(
    x: Float[np.ndarray, "n d"],
    points: Int64[np.ndarray, " m"],
    fineness: Fineness,
    *,
    seed: int,
    weight: Int64[np.ndarray, " n"] | None = None,
) -> list[Int64[np.ndarray, " _"]]:
    """Return lists of similar directions; every point is in one.

    Args:
        x: Vectors of any length.
        points: Rows of ``x`` to divide.
        fineness: How to divide.
        seed: Seed of the draws.
        weight: As how many points each row of ``x`` counts; one if None.
    """
    if weight is None:
        weight = np.ones(len(x), np.int64)

    def cells(node: tuple[int, Int64[np.ndarray, " c"]]) -> list[Int64[np.ndarray, " _"]]:
        number, part = node
        return _cells(x, part, weight, fineness, np.random.default_rng([seed, number]))

    lists: list[Int64[np.ndarray, " _"]] = []
    waiting, nodes = [points], 0
    while waiting:
        is_list = [len(part) == 1 or weight[part].sum() <= fineness.points for part in waiting]
        lists += compress(waiting, is_list)
        large = list(enumerate(compress(waiting, np.logical_not(is_list)), nodes))
        nodes += len(large)
        found = in_threads(cells, large) if len(large) > 1 else map(cells, large)
        waiting = list(chain.from_iterable(found))
    return lists


def _cells(
    x: Float[np.ndarray, "n d"],
    points: Int64[np.ndarray, " m"],
    weight: Int64[np.ndarray, " n"],
    fineness: Fineness,
    rng: np.random.Generator,
) -> list[Int64[np.ndarray, " c"]]:
    """Return the points in at least two cells."""
    wanted = math.ceil(2 * int(weight[points].sum()) / fineness.points)
    cells = min(fineness.branches, wanted, len(points))
    drawn = unit_rows(x[rng.permutation(points)[: TRAINING_POINTS_PER_CELL * cells]])
    centres = drawn[:cells]
    for _ in range(fineness.steps):
        cell = _cells_of(drawn, centres, np.arange(len(drawn)))
        centres = mean_directions(drawn, cell, k=cells)
    cell = _cells_of(x, centres, points)
    order, sizes = np.argsort(cell, kind="stable"), np.bincount(cell)
    if sizes.max() == len(points):  # equal up to rounding
        return np.array_split(rng.permutation(points), 2)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])


def _cells_of(
    x: Float[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    points: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, " m"]:
    blocks = np.array_split(points, math.ceil(len(points) / ROWS_PER_BLOCK))
    return np.concatenate(list(in_threads(partial(nearest_centres, x, centres), blocks)))


def nearest_centres(
    x: Float[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    points: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, " m"]:
    """Return the most similar centre of every point, a row of ``x`` of any length."""
    rows = torch.from_numpy(x[points].astype(np.float32, copy=False))
    nearest: Int64[np.ndarray, " m"] = (rows @ torch.from_numpy(centres).T).numpy().argmax(axis=1)
    return nearest
