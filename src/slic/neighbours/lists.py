"""Inverted lists: a partition of rows into cells of similar directions.

Spherical k-means divides the rows into cells, and the cells again, until every cell is small. So
the cost of a row grows with the depth, not with the number of lists.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from slic.neighbours.exact import nearest_rows
from slic.neighbours.rows import ROWS_PER_BLOCK, mean_directions, unit_rows
from slic.neighbours.sharded import in_threads

TRAINING_POINTS_PER_CELL = 32
CONSIDERED_LISTS = 32


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
    x: Float[np.ndarray, "n d"], points: Int64[np.ndarray, " m"], fineness: Fineness, *, seed: int
) -> list[Int64[np.ndarray, " _"]]:
    """Return lists of similar directions; every point is in one.

    Args:
        x: Vectors of any length.
        points: Rows of ``x`` to divide.
        fineness: How to divide.
        seed: Seed of the draws.
    """
    return list(_lists(x, points, fineness, np.random.default_rng(seed)))


def settled(
    x: Float[np.ndarray, "n d"], lists: list[Int64[np.ndarray, " _"]]
) -> list[Int64[np.ndarray, " _"]]:
    """Move every point to the nearest mean direction of the lists beside its own.

    A division of a division leaves many points in a list that is not the nearest.

    Args:
        x: Vectors of any length.
        lists: Lists of rows of ``x``.
    """
    centres = np.concatenate(list(in_threads(partial(_mean_direction, x), lists)))
    beside = nearest_rows(centres, centres, CONSIDERED_LISTS).indices
    move = partial(_moved, x, centres)
    moved = np.concatenate(list(in_threads(move, zip(lists, beside, strict=True))))
    points, order = np.concatenate(lists), np.argsort(moved, kind="stable")
    sizes = np.bincount(moved)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])


def _mean_direction(
    x: Float[np.ndarray, "n d"], points: Int64[np.ndarray, " m"]
) -> Float32[np.ndarray, "1 d"]:
    return unit_rows(unit_rows(x[points]).sum(axis=0, keepdims=True))


def _moved(
    x: Float[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    one_list: tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " c"]],
) -> Int64[np.ndarray, " m"]:
    """Return the nearest list of every point of a list, among those beside it."""
    points, beside = one_list
    return np.asarray(beside[_cells_of(x, centres[beside], points)])


def _lists(
    x: Float[np.ndarray, "n d"],
    points: Int64[np.ndarray, " m"],
    fineness: Fineness,
    rng: np.random.Generator,
) -> Iterator[Int64[np.ndarray, " c"]]:
    waiting = [points]
    while waiting:
        part = waiting.pop()
        if len(part) <= fineness.points:
            yield part
        else:
            waiting += _cells(x, part, fineness, rng)


def _cells(
    x: Float[np.ndarray, "n d"],
    points: Int64[np.ndarray, " m"],
    fineness: Fineness,
    rng: np.random.Generator,
) -> list[Int64[np.ndarray, " c"]]:
    """Return the points in at least two cells."""
    cells = min(fineness.branches, math.ceil(2 * len(points) / fineness.points))
    drawn = unit_rows(x[rng.permutation(points)[: TRAINING_POINTS_PER_CELL * cells]])
    centres = drawn[:cells]
    for _ in range(fineness.steps):
        centres = mean_directions(drawn, _nearest_centres(drawn, centres), k=cells)
    blocks = np.array_split(points, math.ceil(len(points) / ROWS_PER_BLOCK))
    cell = np.concatenate(list(in_threads(partial(_cells_of, x, centres), blocks)))
    order, sizes = np.argsort(cell, kind="stable"), np.bincount(cell)
    if sizes.max() == len(points):  # equal up to rounding
        return np.array_split(rng.permutation(points), 2)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])


def _cells_of(
    x: Float[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    points: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, " m"]:
    return _nearest_centres(x[points].astype(np.float32, copy=False), centres)


def _nearest_centres(
    rows: Float32[np.ndarray, "n d"], centres: Float32[np.ndarray, "k d"]
) -> Int64[np.ndarray, " n"]:
    """Return the most similar centre of every row; its length does not matter."""
    similarity = torch.from_numpy(rows) @ torch.from_numpy(centres).T
    nearest: Int64[np.ndarray, " n"] = similarity.numpy().argmax(axis=1)
    return nearest
