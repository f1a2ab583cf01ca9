"""The nearest moments of some that a filter lets through.

Stores know nothing of filters. Where many moments pass, a wider search is made and the others are
left out; where few do, or too few were among the nearest, all that pass are compared exactly.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int64

from slic.search.repository import Database
from slic.search.stores import Neighbours, VectorStore
from slic.search.stores.following import ROWS, unpacked

EXACT_SHARE = 0.1


def nearest_allowed(
    store: VectorStore,
    database: Database,
    vectors: Float32[np.ndarray, "q d"],
    k: int,
    *,
    allowed: Int64[np.ndarray, " n"],
    total: int,
) -> Neighbours:
    """Return the ``k`` nearest of the moments ``allowed`` (ascending ids) out of ``total``."""
    share = len(allowed) / max(1, total)
    if share >= EXACT_SHARE:
        wide = store.search(vectors, min(total, int(2 * k / share) + 10))
        kept = _only(wide, np.isin(wide.ids, allowed), k)
        if (kept.ids >= 0).sum() == len(vectors) * min(k, len(allowed)):
            return kept
    return _exact(database, vectors, k, allowed)


def read_vectors(
    database: Database, ids: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, "m d"]]:
    """Return those of the ids (ascending, distinct) that there are, and their vectors."""
    rows = []
    for start in range(0, len(ids), ROWS):
        part = ids[start : start + ROWS].tolist()
        marks = ",".join("?" * len(part))
        rows += database.rows(
            f"SELECT id, vector FROM moments WHERE id IN ({marks}) ORDER BY id", part
        )
    return unpacked(rows, database.settings.dimension)


def _exact(
    database: Database,
    vectors: Float32[np.ndarray, "q d"],
    k: int,
    allowed: Int64[np.ndarray, " n"],
) -> Neighbours:
    """Compare every query with every allowed moment, in blocks."""
    shape = (len(vectors), k)
    best = Neighbours(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
    for start in range(0, len(allowed), ROWS):
        there, rows = read_vectors(database, allowed[start : start + ROWS])
        similarity = vectors @ rows.T
        ids = np.concatenate([best.ids, np.broadcast_to(there, similarity.shape)], axis=1)
        best = _first(ids, np.concatenate([best.similarities, similarity], axis=1), k)
    return best


def _only(wide: Neighbours, kept: Bool[np.ndarray, "q m"], k: int) -> Neighbours:
    """Keep the allowed ones of a wide search."""
    similarities = np.where(kept, wide.similarities, -np.inf).astype(np.float32)
    return _first(np.where(kept, wide.ids, -1), similarities, k)


def _first(
    ids: Int64[np.ndarray, "q m"], similarities: Float32[np.ndarray, "q m"], k: int
) -> Neighbours:
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarities, order, axis=1)
    )
