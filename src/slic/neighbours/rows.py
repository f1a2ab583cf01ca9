"""Arithmetic on embeddings, one a row, in blocks: what is held beside them stays small."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from scipy.sparse import csr_array

from slic.errors import TrainingError

BLOCK = 8192
CENTRE_BLOCK = 2048
COLUMNS = 32


def directions(x: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Return the rows at length 1 (zero rows stay zero).

    Raises:
        TrainingError: Values that are not finite.
    """
    unit = np.empty(x.shape, dtype=np.float32)
    bad: list[int] = []
    for block in _blocks(len(x)):
        bad += (block.start + np.flatnonzero(~np.isfinite(x[block]).all(axis=1))).tolist()
        if not bad:
            unit[block] = _unit_rows(x[block])
    if bad:
        rows = ", ".join(map(str, bad[:3])) + (", ..." if len(bad) > 3 else "")
        raise TrainingError(
            f"{len(bad)} of {len(x)} embeddings are not finite (rows {rows}): the encoder has "
            "diverged. Lower the learning rate or train in fp32."
        )
    return unit


def paired_distances(
    x: Float[np.ndarray, "n d"], first: Int[np.ndarray, " m"], second: Int[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """Return the cosine distance of rows ``first`` to rows ``second``, pair by pair.

    Two zero rows are at distance 0, a zero row and another at 1.
    """
    distance = np.empty(len(first))
    for block in _blocks(len(first)):
        a, b = _unit_rows(x[first[block]]), _unit_rows(x[second[block]])
        apart = np.clip(1.0 - np.einsum("nd,nd->n", a, b), 0.0, 2.0)
        distance[block] = np.where(a.any(axis=1) | b.any(axis=1), apart, 0.0)
    return distance


def sums_by_label(
    x: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int
) -> Float64[np.ndarray, "k d"]:
    """Return the sum of the rows of each of the labels 0..k-1."""
    members = csr_array((np.ones(len(x)), (labels, np.arange(len(x)))), shape=(k, len(x)))
    sums = np.empty((k, x.shape[1]))
    for start in range(0, x.shape[1], COLUMNS):  # the product makes float64 copies
        columns = slice(start, start + COLUMNS)
        sums[:, columns] = members @ x[:, columns]
    return sums


def nearest_centres(
    unit: Float32[np.ndarray, "n d"], centres: Float32[np.ndarray, "k d"]
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return every point's nearest centre and the distance to it."""
    labels = np.empty(len(unit), dtype=np.int64)
    distance = np.empty(len(unit), dtype=np.float32)
    for start in range(0, len(unit), CENTRE_BLOCK):
        block = slice(start, start + CENTRE_BLOCK)
        similarity = unit[block] @ centres.T
        labels[block] = similarity.argmax(axis=1)
        distance[block] = 1.0 - similarity[np.arange(len(similarity)), labels[block]]
    return labels, distance


def mean_directions(
    unit: Float32[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int
) -> Float32[np.ndarray, "k d"]:
    """Return the direction of the mean of every cluster 0..k-1, zero for an empty one."""
    return directions(sums_by_label(unit, labels, k=k))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _unit_rows(x: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    scale = np.abs(x).max(axis=1, keepdims=True, initial=0.0)  # squares neither overflow nor vanish
    rows = x.astype(np.float64) / np.where(scale > 0, scale, 1.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float64[np.ndarray, "n d"] = rows / np.where(length > 0, length, 1.0)
    return unit
