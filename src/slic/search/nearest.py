"""Nearest moments among those that a filter allows.

A vector store knows no filters. If many moments are allowed, the store returns more neighbours than
asked for, and the others are left out. If few are allowed, or too few of them are among these
neighbours, all allowed moments are compared exactly.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64

from slic.neighbours.exact import NearestRows, merge_nearest
from slic.search.repository.moments import ROWS_PER_QUERY, VectorBlock
from slic.search.stores import Neighbours, VectorStore

MAX_EXACT_SHARE = 0.1  # of all moments; if fewer are allowed, comparing them is faster

ReadVectors = Callable[[Int64[np.ndarray, " wanted"]], VectorBlock]


def nearest_allowed(
    store: VectorStore,
    read: ReadVectors,
    vectors: Float32[np.ndarray, "q d"],
    k: int,
    *,
    allowed: Int64[np.ndarray, " n"],
    total: int,
) -> Neighbours:
    """Return the ``k`` nearest of the allowed moments for every query.

    Args:
        store: A store that has followed the database.
        read: Returns moments and their vectors by ascending ids.
        vectors: The queries.
        k: Moments per query.
        allowed: Ids of the allowed moments, ascending.
        total: Number of moments in the index.

    Returns:
        Ids and similarities, nearest first; id -1 where fewer than ``k`` moments are allowed.
    """
    share = len(allowed) / max(1, total)
    if share >= MAX_EXACT_SHARE:
        wide = store.search(vectors, min(total, int(2 * k / share) + 10))
        kept = _only_allowed(wide, allowed, k)
        if (kept.ids >= 0).sum() == len(vectors) * min(k, len(allowed)):
            return kept
    return _compare_all(read, vectors, k, allowed)


def _compare_all(
    read: ReadVectors,
    vectors: Float32[np.ndarray, "q d"],
    k: int,
    allowed: Int64[np.ndarray, " n"],
) -> Neighbours:
    """Compare every query with every allowed moment, in blocks."""
    found = NearestRows.none_yet(len(vectors))
    for start in range(0, len(allowed), ROWS_PER_QUERY):
        part = allowed[start : start + ROWS_PER_QUERY]
        ids, rows = read(part)
        found = merge_nearest(found, vectors @ rows.T, ids, k=k)
    missing = ((0, 0), (0, k - found.indices.shape[1]))
    return Neighbours(
        np.pad(found.indices, missing, constant_values=-1),
        np.pad(found.similarities, missing, constant_values=-np.inf),
    )


def _only_allowed(wide: Neighbours, allowed: Int64[np.ndarray, " n"], k: int) -> Neighbours:
    """Return the first ``k`` allowed moments of a wider search."""
    kept = np.isin(wide.ids, allowed)
    ids = np.where(kept, wide.ids, -1)
    similarities = np.where(kept, wide.similarities, -np.inf).astype(np.float32)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarities, order, axis=1)
    )
