"""The nearest of many centres for every row, without a comparison with all of them.

The centres are divided into groups of similar directions. A row is compared with the groups, and
then with the centres of the groups beside the nearest one.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64

from slic.neighbours.lists import Fineness, divide
from slic.neighbours.rows import unit_rows
from slic.neighbours.sharded import in_threads

MAX_COMPARED_CENTRES = 1024  # every row is compared with all of so many
MAX_GROUP_CENTRES = 32
COMPARED_GROUPS = 48
KMEANS_STEPS = 8
SAMPLE_ROWS = 1000
MIN_SAMPLE_RIGHT = 0.98
ROWS_AT_ONCE = 1024


class _Groups(NamedTuple):
    """Groups of centres: the mean direction of each, and the centres in it and beside it."""

    directions: Float32[np.ndarray, "g d"]
    beside: list[Int64[np.ndarray, " _"]]


def assign(
    x: Float32[np.ndarray, "n d"], centres: Float32[np.ndarray, "k d"], *, seed: int
) -> Int64[np.ndarray, " n"]:
    """Return the centre of greatest inner product for every row, exactly or nearly.

    It is not exact only if 98 % of a sample get the right centre, and if there are many centres.

    Args:
        x: Rows; may be a memory map.
        centres: Up to `MAX_COMPARED_CENTRES` are compared with all rows.
        seed: Seed of the groups and the sample.
    """
    if len(centres) > MAX_COMPARED_CENTRES:
        groups = _grouped(centres, seed)
        rng = np.random.default_rng(seed)
        sample = np.sort(rng.permutation(len(x))[:SAMPLE_ROWS])
        right = _assigned(x, centres, groups, sample) == _nearest(x, centres, sample)
        if right.mean() >= MIN_SAMPLE_RIGHT:
            return _assigned(x, centres, groups, np.arange(len(x)))
    nearest = partial(_nearest, x, centres)
    return np.concatenate(list(in_threads(nearest, _parts(np.arange(len(x))))))


def _grouped(centres: Float32[np.ndarray, "k d"], seed: int) -> _Groups:
    fineness = Fineness(MAX_GROUP_CENTRES, branches=len(centres), steps=KMEANS_STEPS)
    groups = divide(centres, np.arange(len(centres)), fineness, seed=seed)
    directions = unit_rows(np.stack([centres[group].mean(axis=0) for group in groups]))
    near = np.argsort(-(directions @ directions.T), axis=1, kind="stable")[:, :COMPARED_GROUPS]
    beside = [np.sort(np.concatenate([groups[g] for g in row])) for row in near.tolist()]
    return _Groups(directions, beside)


def _assigned(
    x: Float32[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    groups: _Groups,
    rows: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, " m"]:
    """Return the nearest centre of some rows among those beside their nearest group."""
    nearest = partial(_nearest, x, groups.directions)
    group = np.concatenate(list(in_threads(nearest, _parts(rows))))
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=len(groups.beside)))[:-1]
    labels = np.empty(len(rows), np.int64)

    def settle(one: tuple[Int64[np.ndarray, " c"], Int64[np.ndarray, " m"]]) -> None:
        compared, places = one
        for part in _parts(places):
            labels[part] = compared[_nearest(x, centres[compared], rows[part])]

    list(in_threads(settle, zip(groups.beside, np.split(order, ends), strict=True)))
    return labels


def _nearest(
    x: Float32[np.ndarray, "n d"],
    centres: Float32[np.ndarray, "k d"],
    rows: Int64[np.ndarray, " m"],
) -> Int64[np.ndarray, " m"]:
    similarity = torch.from_numpy(x[rows]) @ torch.from_numpy(centres).T
    return np.asarray(similarity.numpy().argmax(axis=1))


def _parts(rows: Int64[np.ndarray, " n"]) -> Iterator[Int64[np.ndarray, " m"]]:
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
