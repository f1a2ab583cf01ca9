"""The lists of an inverted file: which vectors lie near each other, for queries of any weights.

The lists have to suit queries of any weights of the parts of a vector. So the parts are divided one
by one, and a list is a combination of one cell of each (Babenko & Lempitsky, CVPR 2012). With lists
of the joined vectors, a query by one part misses up to a third of its neighbours.
"""

from collections.abc import Sequence

import faiss
import numpy as np
from jaxtyping import Float32, Int64

LISTS_PER_ROOT = 4  # number of lists, in square roots of the number of moments
TRAINING_PER_LIST = 40  # moments that a list's centre is trained on; FAISS asks for 39
CENTRE_STEPS = 10
MAX_PLAIN_CELLS = 512  # more cells of a part are trained in two steps
COMPARED_GROUPS = 3  # of cells, with which a vector is compared

Centres = Sequence[Float32[np.ndarray, "cells _"]]
"""The centres of the cells of each part."""


def cells_per_part(count: int, parts: int, *, most_lists: int | None = None) -> int:
    """Return how many cells each part is divided into for a number of moments."""
    lists: float = LISTS_PER_ROOT * count**0.5
    cells: float = min(lists, most_lists or lists) ** (1 / parts)
    return max(1, round(cells))


def train_cells(
    sample: Float32[np.ndarray, "n d"], parts: Sequence[int], cells: int
) -> list[Float32[np.ndarray, "cells _"]]:
    """Return the centres of the cells of each part.

    Args:
        sample: Vectors, of which `TRAINING_PER_LIST` for each list are enough.
        parts: Lengths of the parts.
        cells: Cells of each part.
    """
    return [_cell_centres(part, cells) for part in np.split(sample, np.cumsum(parts)[:-1], axis=1)]


def combinations(centres: Centres) -> Float32[np.ndarray, "lists d"]:
    """Return every combination of one centre of each part, joined."""
    chosen = np.indices([len(part) for part in centres]).reshape(len(centres), -1)
    joined = [part[rows] for part, rows in zip(centres, chosen, strict=True)]
    return np.concatenate(joined, axis=1)


class ListFinder:
    """Finds the lists of vectors.

    Args:
        centres: Centres of the cells of each part.
    """

    def __init__(self, centres: Centres) -> None:
        self._parts = [_CellFinder(part) for part in centres]

    def lists(self, x: Float32[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
        """Return the list of each vector: a cell of every part, numbered as combinations."""
        number = np.zeros(len(x), np.int64)
        edges = np.cumsum([part.centres.shape[1] for part in self._parts])[:-1]
        for part, column in zip(self._parts, np.split(x, edges, axis=1), strict=True):
            number = number * len(part.centres) + part.cells(np.ascontiguousarray(column))
        return number


class _CellFinder:
    """Finds the nearest cell of one part, among those of the nearest groups if they are many."""

    def __init__(self, centres: Float32[np.ndarray, "cells p"]) -> None:
        self.centres = centres
        self._groups: Float32[np.ndarray, "groups p"] | None = None
        if len(centres) > MAX_PLAIN_CELLS:
            self._groups = _trained(centres, round(len(centres) ** 0.5))
            group = _nearest(centres, self._groups)
            self._members = [np.flatnonzero(group == g) for g in range(len(self._groups))]

    def cells(self, x: Float32[np.ndarray, "n p"]) -> Int64[np.ndarray, " n"]:
        if self._groups is None:
            return _nearest(x, self.centres)
        scores = x @ self._groups.T
        near = np.argpartition(-scores, COMPARED_GROUPS, axis=1)[:, :COMPARED_GROUPS]
        best, cell = np.full(len(x), -np.inf, np.float32), np.zeros(len(x), np.int64)
        for group, members in enumerate(self._members):
            rows = np.flatnonzero((near == group).any(axis=1))
            if len(rows) and len(members):
                similarity = x[rows] @ self.centres[members].T
                first = similarity.argmax(axis=1)
                value = similarity[np.arange(len(rows)), first]
                better = value > best[rows]
                best[rows[better]], cell[rows[better]] = value[better], members[first[better]]
        return cell


def _cell_centres(part: Float32[np.ndarray, "n p"], cells: int) -> Float32[np.ndarray, "cells p"]:
    part = np.ascontiguousarray(part)
    return _trained(part, cells) if cells <= MAX_PLAIN_CELLS else _trained_in_two(part, cells)


def _trained_in_two(part: Float32[np.ndarray, "n p"], cells: int) -> Float32[np.ndarray, "cells p"]:
    """Divide a sample into groups, and each of them into cells, as many as it has vectors for."""
    groups = _trained(part, round(cells**0.5))
    group = _nearest(part, groups)
    ends = np.cumsum(np.bincount(group, minlength=len(groups))) * cells / len(part)
    numbers = np.diff(ends.round().astype(np.int64), prepend=0)
    found = [_trained(part[group == g], int(number)) for g, number in enumerate(numbers) if number]
    return np.concatenate(found)


def _trained(x: Float32[np.ndarray, "n p"], cells: int) -> Float32[np.ndarray, "cells p"]:
    kmeans = faiss.Kmeans(
        x.shape[1], cells, niter=CENTRE_STEPS, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(np.ascontiguousarray(x))
    return np.asarray(kmeans.centroids)


def _nearest(
    x: Float32[np.ndarray, "n p"], centres: Float32[np.ndarray, "cells p"]
) -> Int64[np.ndarray, " n"]:
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(np.ascontiguousarray(centres))
    cells: Int64[np.ndarray, " n"] = index.search(x, 1)[1][:, 0]
    return cells
