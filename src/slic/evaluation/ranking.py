"""Exact nearest neighbours by cosine, some queries at a time.

Memory grows with the vectors and with the answer, never with queries times gallery.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.errors import SlicError

BLOCK_ELEMENTS = 2**25  # similarities held at once: 128 MiB, whatever the size of the gallery
GALLERY_BLOCK = 2**16  # gallery rows a block of `rank`; fewer would make less of it Python
GROUP = 16  # values of which only the greatest is looked at first


class Ranking(NamedTuple):
    """The k nearest gallery rows of every query, nearest first; equal ones in gallery order."""

    indices: Int[np.ndarray, "q k"]
    similarities: Float32[np.ndarray, "q k"]


def rank(
    queries: Float[np.ndarray, "q ... d"],
    gallery: Float[np.ndarray, "n ... d"],
    k: int,
    *,
    centre: bool = False,
) -> Ranking:
    """Return the k gallery videos of greatest cosine similarity for every query (all if k > n).

    Clip features (axes between the first and the last) are averaged first, then each side's mean
    vector is subtracted if ``centre`` is on.
    """
    query, other = unit_vectors(queries, centre=centre), unit_vectors(gallery, centre=centre)
    at_once = max(1, BLOCK_ELEMENTS // min(len(other), GALLERY_BLOCK))
    parts = [_rank(query[a : a + at_once], other, k) for a in range(0, len(query), at_once)]
    return Ranking(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _rank(
    query: Float32[np.ndarray, "q d"], gallery: Float32[np.ndarray, "n d"], k: int
) -> Ranking:
    """Keep the k nearest of the gallery's blocks so far: many queries a block make it quick."""
    held = Ranking(np.empty((len(query), 0), np.int64), np.empty((len(query), 0), np.float32))
    room = np.empty((len(query), min(len(gallery), GALLERY_BLOCK)), np.float32)
    for start in range(0, len(gallery), GALLERY_BLOCK):
        block = gallery[start : start + GALLERY_BLOCK]
        similarity = np.matmul(query, block.T, out=room[:, : len(block)])
        merged = [
            _merged(places, values, row, start=start, k=k)
            for places, values, row in zip(*held, similarity, strict=True)
        ]
        held = Ranking(*(np.stack(part) for part in zip(*merged, strict=True)))
    return held


def _merged(
    places: Int[np.ndarray, " m"],
    similarities: Float32[np.ndarray, " m"],
    row: Float32[np.ndarray, " b"],
    *,
    start: int,
    k: int,
) -> tuple[Int[np.ndarray, " l"], Float32[np.ndarray, " l"]]:
    """Return the k nearest of those kept and of one more block, whose first place is ``start``."""
    least = similarities[-1] if len(similarities) == k else -np.inf
    nearer = np.flatnonzero(row > least)  # an equal one comes later in the gallery
    both = np.concatenate([similarities, row[nearer]])
    order = nearest(both, k)
    return np.concatenate([places, start + nearer])[order], both[order]


def similarity_rows(
    queries: Float[np.ndarray, "q ... d"], gallery: Float[np.ndarray, "n ... d"], *, centre: bool
) -> Iterator[Float32[np.ndarray, " n"]]:
    """Give the cosine similarities of one query after another with the whole gallery."""
    query, other = unit_vectors(queries, centre=centre), unit_vectors(gallery, centre=centre)
    at_once = max(1, BLOCK_ELEMENTS // len(other))
    for start in range(0, len(query), at_once):
        yield from query[start : start + at_once] @ other.T


def unit_vectors(
    embeddings: Float[np.ndarray, "n ... d"], *, centre: bool
) -> Float32[np.ndarray, "n d"]:
    """Average the clips of each video, centre the split if asked, and scale to length 1.

    A vector of length 0 stays 0. Beside the result, a block of rows is held.

    Raises:
        SlicError: There is no video, or an embedding is not finite.
    """
    if embeddings.size == 0:
        raise SlicError(f"retrieval needs at least one video on each side, got {embeddings.shape}.")
    unit = np.empty((len(embeddings), embeddings.shape[-1]), dtype=np.float32)
    at_once = max(1, BLOCK_ELEMENTS // embeddings[0].size)
    for start in range(0, len(unit), at_once):
        rows = embeddings[start : start + at_once].astype(np.float32)
        mean = rows.reshape(len(rows), -1, unit.shape[1]).mean(axis=1)
        if len(bad := np.flatnonzero(~np.isfinite(mean).all(axis=1))):
            raise SlicError(
                f"the embedding of video {start + bad[0]} is not finite; embed again with fp32."
            )
        unit[start : start + at_once] = mean
    if centre:
        unit -= unit.mean(axis=0, dtype=np.float64).astype(np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", unit, unit))
    unit /= np.maximum(length, 1e-12)[:, None]
    return unit


def nearest(row: Float32[np.ndarray, " n"], k: int) -> Int[np.ndarray, " k"]:
    """Return the places of the k greatest values, greatest first; equal ones in their order."""
    candidates = np.flatnonzero(row >= _floor(row, k)) if k < len(row) else np.arange(len(row))
    order = np.argsort(-row[candidates], kind="stable")[:k]
    return np.asarray(candidates[order])


def _floor(row: Float32[np.ndarray, " n"], k: int) -> np.float32:
    """Return a number that at least k values reach, and in a long row few more than k.

    The k greatest of the maxima of groups are such values, and cost a tenth of looking for the k-th
    value of all.
    """
    if len(row) >= GROUP * k:
        row = row[: len(row) // GROUP * GROUP].reshape(GROUP, -1).max(axis=0)
    return np.float32(np.partition(row, len(row) - k)[len(row) - k])


def first_match_rank(row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"]) -> int:
    """Return the rank (from 1) of the best match, equal values ranked in their order.

    Counts what is ahead of it: no sort. ``matches`` are places in ascending order, at least one.
    """
    best = matches[row[matches].argmax()]  # the first of equal ones
    ahead = np.count_nonzero(row > row[best]) + np.count_nonzero(row[:best] == row[best])
    return int(ahead) + 1


def match_ranks(
    row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " m"]:
    """Return the ranks (from 1, ascending) of all matches, equal values ranked in their order.

    Values are sorted without their places, at a third of the time; only where a match has the very
    value of a video that is none, the places decide and a full ranking is made.
    """
    value = -np.sort(-row[matches])
    ascending = np.sort(row)
    ahead = len(row) - np.searchsorted(ascending, value, side="right")
    first_equal = np.searchsorted(-value, -value, side="left")
    equal_matches = np.searchsorted(-value, -value, side="right") - first_equal
    equal = len(row) - ahead - np.searchsorted(ascending, value, side="left")
    if (equal > equal_matches).any():
        places: Int[np.ndarray, " n"] = np.argsort(-row, kind="stable")
        return np.flatnonzero(np.isin(places, matches)) + 1
    return np.asarray(ahead + 1 + np.arange(len(value)) - first_equal)
