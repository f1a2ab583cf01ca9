"""Exact nearest neighbours by cosine similarity, in blocks of the similarity matrix.

All functions take unit rows (`slic.neighbours.rows.unit_rows`), so an inner product is a cosine.
Of equally near rows, the first is the nearer one. (Exact copies of a row may still change places:
a matrix product can differ in the last bit with the position of a row.) Memory grows with the rows
and the result, never with queries times gallery.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64
from torch import Tensor

MAX_BLOCK_SIMILARITIES = 2**25
"""Similarities held at once: 128 MiB, whatever the size of the gallery."""
GALLERY_BLOCK_ROWS = 2**16
"""Gallery rows in a block of `nearest_rows`; smaller blocks spend more time in Python."""
SQUARE_BLOCK_ROWS = 1024
"""Side of a block of `nearest_others`: its 4 MiB stay in the processor's cache."""
GROUP_VALUES = 16
"""Values of which `largest` first takes only the maximum."""


class NearestRows(NamedTuple):
    """The nearest gallery rows of every query, nearest first.

    Attributes:
        indices: Positions in the gallery.
        similarities: Cosine similarities to them, in [-1, 1].
    """

    indices: Int64[np.ndarray, "q k"]
    similarities: Float32[np.ndarray, "q k"]

    @classmethod
    def none_yet(cls, queries: int) -> "NearestRows":
        """Return a result without neighbours, the start of `merge_nearest`."""
        return cls(np.empty((queries, 0), np.int64), np.empty((queries, 0), np.float32))


def nearest_rows(
    queries: Float32[np.ndarray, "q d"],
    gallery: Float32[np.ndarray, "n d"],
    k: int,
    *,
    excluded: Int[np.ndarray, " q"] | None = None,
) -> NearestRows:
    """Return the ``k`` gallery rows of greatest cosine similarity for every query.

    Args:
        queries: Unit rows.
        gallery: Unit rows.
        k: Neighbours per query; all of the gallery if it has fewer.
        excluded: For each query, a gallery row that is never its neighbour, such as itself.

    Example:
        >>> nearest_rows(x[:2], x, 1).indices
        array([[0], [1]])
    """
    k = min(k, len(gallery) - (excluded is not None))
    at_once = max(1, MAX_BLOCK_SIMILARITIES // min(len(gallery), GALLERY_BLOCK_ROWS))
    found = NearestRows(
        np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    )
    for start in range(0, len(queries), at_once):
        part = slice(start, start + at_once)
        barred = None if excluded is None else excluded[part]
        found.indices[part], found.similarities[part] = _nearest(queries[part], gallery, k, barred)
    return found


def _nearest(
    queries: Float32[np.ndarray, "q d"],
    gallery: Float32[np.ndarray, "n d"],
    k: int,
    excluded: Int[np.ndarray, " q"] | None,
) -> NearestRows:
    """Search the gallery block by block, many queries at once: fewer steps of Python."""
    found = NearestRows.none_yet(len(queries))
    buffer = np.empty((len(queries), min(len(gallery), GALLERY_BLOCK_ROWS)), np.float32)
    for start in range(0, len(gallery), GALLERY_BLOCK_ROWS):
        block = gallery[start : start + GALLERY_BLOCK_ROWS]
        similarity = np.matmul(queries, block.T, out=buffer[:, : len(block)])
        if excluded is not None:
            here = np.flatnonzero((excluded >= start) & (excluded < start + len(block)))
            similarity[here, excluded[here] - start] = -np.inf
        found = merge_nearest(found, similarity, np.arange(start, start + len(block)), k=k)
    return found


def merge_nearest(
    found: NearestRows,
    similarity: Float32[np.ndarray, "q b"],
    indices: Int64[np.ndarray, " b"],
    *,
    k: int,
) -> NearestRows:
    """Return the ``k`` nearest of those found so far and of one more block of the gallery.

    Args:
        found: Result of the blocks before, `NearestRows.none_yet` at the start.
        similarity: Similarities to the rows of the block; -inf bars a row.
        indices: Positions, or ids, of the rows of the block.
        k: Neighbours per query.
    """
    if similarity.size == 0:
        return found
    if k == 1:
        return _merge_one(found, similarity, indices)
    merged = [
        _merge_row(places, values, row, indices, k=k)
        for places, values, row in zip(*found, similarity, strict=True)
    ]
    return NearestRows(*(np.stack(part) for part in zip(*merged, strict=True)))


def _merge_one(
    found: NearestRows, similarity: Float32[np.ndarray, "q b"], indices: Int64[np.ndarray, " b"]
) -> NearestRows:
    """Do the same for one neighbour per query, without a loop over the queries."""
    place = similarity.argmax(axis=1)[:, None]
    block = NearestRows(indices[place], np.take_along_axis(similarity, place, axis=1))
    if found.indices.shape[1] == 0:
        return block
    better = block.similarities > found.similarities  # an equal one comes later in the gallery
    return NearestRows(*(np.where(better, new, old) for new, old in zip(block, found, strict=True)))


def _merge_row(
    places: Int64[np.ndarray, " m"],
    values: Float32[np.ndarray, " m"],
    row: Float32[np.ndarray, " b"],
    indices: Int64[np.ndarray, " b"],
    *,
    k: int,
) -> tuple[Int64[np.ndarray, " l"], Float32[np.ndarray, " l"]]:
    if len(values) == k:
        nearer = np.flatnonzero(row > values[-1])  # an equal one comes later in the gallery
        indices, row = indices[nearer], row[nearer]
    if len(values):
        indices, row = np.concatenate([places, indices]), np.concatenate([values, row])
    order = largest(row, k)
    return indices[order], row[order]


def largest(row: Float32[np.ndarray, " n"], k: int) -> Int64[np.ndarray, " k"]:
    """Return the positions of the ``k`` largest values, largest first; ties in their order."""
    candidates = np.flatnonzero(row >= _floor(row, k)) if k < len(row) else np.arange(len(row))
    order = np.argsort(-row[candidates], kind="stable")[:k]
    return np.asarray(candidates[order])


def _floor(row: Float32[np.ndarray, " n"], k: int) -> np.float32:
    """Return a number that at least k values reach, and few more than k in a long row.

    The k largest of the maxima of groups are such values. They cost a tenth of a search for the
    k-th largest of all values.
    """
    if len(row) >= GROUP_VALUES * k:
        row = row[: len(row) // GROUP_VALUES * GROUP_VALUES].reshape(GROUP_VALUES, -1).max(axis=0)
    return np.float32(np.partition(row, len(row) - k)[len(row) - k])


def nearest_others(unit: Float32[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """Return the position of the nearest other row, for every row.

    It equals ``nearest_rows(unit, unit, 1, excluded=np.arange(n))`` in half of the time: a block of
    similarities serves its rows and its columns.
    """
    # PyTorch multiplies square blocks of this size 1.7 times as fast as NumPy, wide ones slower
    rows, order = torch.from_numpy(unit), torch.arange(len(unit))
    best = torch.full((len(rows),), -torch.inf)
    index = torch.zeros(len(rows), dtype=torch.long)
    for start in range(0, len(rows), SQUARE_BLOCK_ROWS):
        a = slice(start, start + SQUARE_BLOCK_ROWS)
        for other in range(start, len(rows), SQUARE_BLOCK_ROWS):
            b = slice(other, other + SQUARE_BLOCK_ROWS)
            similarity = rows[a] @ rows[b].T
            if a == b:
                similarity.fill_diagonal_(-torch.inf)
            update_nearest_(best[a], index[a], similarity, order[b])
            if a != b:
                update_nearest_(best[b], index[b], similarity.T, order[a])
    return index.numpy()


def update_nearest_(
    best: Float32[Tensor, " r"],
    index: Int64[Tensor, " r"],
    similarity: Float32[Tensor, "r c"],
    columns: Int64[Tensor, " c"],
) -> None:
    """Update every row's best similarity, and the position that has it, in place."""
    highest = similarity.amax(dim=1)
    # the maximum is quick to find, its position is not: search it only in the rows that improve
    better = (highest > best).nonzero().squeeze(1)
    best[better] = highest[better]
    position = (similarity[better] == highest[better, None]).to(torch.uint8).argmax(dim=1)
    index[better] = columns[position]
