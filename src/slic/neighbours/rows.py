"""Row arithmetic on embeddings: unit length, centring, sums and means by label, distances.

An embedding is a row. The functions work in blocks, so that memory beside the result stays small.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from scipy.sparse import csr_array

from slic.errors import EmbeddingsError

ROWS_PER_BLOCK = 1024  # in double precision 1 MiB, which stays in the processor's cache
SUMMED_VALUES_PER_BLOCK = 2**25  # 256 MiB in double precision


def normalise(x: Float[np.ndarray, "*n d"]) -> Float64[np.ndarray, "*n d"]:
    """Return the rows at length 1, in double precision; a zero row stays zero."""
    scale = np.abs(x).max(
        axis=-1, keepdims=True, initial=0.0
    )  # squares neither overflow nor vanish
    rows = x.astype(np.float64) / np.where(scale > 0, scale, 1.0)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Float64[np.ndarray, "*n d"] = rows / np.where(length > 0, length, 1.0)
    return unit


def unit_rows(
    x: Float[np.ndarray, "n d"], *, out: Float32[np.ndarray, "n d"] | None = None
) -> Float32[np.ndarray, "n d"]:
    """Return the rows at length 1; a zero row stays zero.

    Args:
        x: The rows.
        out: Where to write the result, to save memory; may be ``x`` itself.

    Raises:
        EmbeddingsError: Values that are not finite. The message names the first rows.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8], [0. , 0. ]], dtype=float32)
    """
    require_finite(x)
    unit = np.empty(x.shape, dtype=np.float32) if out is None else out
    for block in blocks(len(x)):
        unit[block] = normalise(x[block])
    return unit


def require_finite(x: Float[np.ndarray, "n d"]) -> None:
    """Raise unless all values are finite.

    Raises:
        EmbeddingsError: Values that are not finite. The message names the first rows.
    """
    bad: list[int] = []
    for block in blocks(len(x)):
        bad += (block.start + np.flatnonzero(~np.isfinite(x[block]).all(axis=1))).tolist()
    if bad:
        rows = ", ".join(map(str, bad[:3])) + (", ..." if len(bad) > 3 else "")
        raise EmbeddingsError(
            f"{len(bad)} of {len(x)} embeddings are not finite (rows {rows}). Embed again in fp32; "
            "if that gives the same, the encoder has diverged: lower the learning rate or train in "
            "fp32."
        )


def slices_of(parts: Mapping[str, int]) -> dict[str, slice]:
    """Return where each part lies in a vector.

    Args:
        parts: Names and lengths of the parts, in order.

    Example:
        >>> slices_of({"appearance": 2, "motion": 3})
        {'appearance': slice(0, 2, None), 'motion': slice(2, 5, None)}
    """
    ends = np.cumsum(list(parts.values())).tolist()
    return {
        name: slice(end - length, end)
        for (name, length), end in zip(parts.items(), ends, strict=True)
    }


def centred(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Return the rows minus their mean row, in the precision of ``x``.

    The mean is summed in double precision: in single precision, a sum of a million rows is wrong
    in the fourth digit.
    """
    shifted: Float[np.ndarray, "n d"] = x - x.mean(axis=0, dtype=np.float64).astype(x.dtype)
    return shifted


def centred_unit_rows(
    parts: Sequence[Float[np.ndarray, "n _"]], *, centre: bool
) -> Float32[np.ndarray, "n d"]:
    """Scale the rows of each matrix to unit length, and join the matrices side by side.

    Every matrix then has the same weight in a cosine between joined rows.

    Args:
        parts: Matrices with one row per video.
        centre: Whether to subtract each matrix's mean row first.

    Raises:
        EmbeddingsError: Values that are not finite.
    """
    return np.concatenate([unit_rows(centred(x) if centre else x) for x in parts], axis=1)


def paired_distances(
    x: Float[np.ndarray, "n d"], first: Int[np.ndarray, " m"], second: Int[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    """Return the cosine distance of row ``first[i]`` to row ``second[i]``, for every i.

    Returns:
        Distances in [0, 2]. Two zero rows are at distance 0, a zero row and another at 1.
    """
    distance = np.empty(len(first))
    for block in blocks(len(first)):
        a, b = normalise(x[first[block]]), normalise(x[second[block]])
        apart = np.clip(1.0 - np.einsum("nd,nd->n", a, b), 0.0, 2.0)
        distance[block] = np.where(a.any(axis=1) | b.any(axis=1), apart, 0.0)
    return distance


def sums_by_label(
    x: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int
) -> Float64[np.ndarray, "k d"]:
    """Return the sum of the rows of each label 0..k-1; zero for a label without rows."""
    members = csr_array((np.ones(len(x)), (labels, np.arange(len(x)))), shape=(k, len(x)))
    sums = np.empty((k, x.shape[1]))
    at_once = min(32, max(1, SUMMED_VALUES_PER_BLOCK // max(1, len(x))))
    for start in range(0, x.shape[1], at_once):  # the product copies to float64
        columns = slice(start, start + at_once)
        sums[:, columns] = members @ x[:, columns]
    return sums


def means_by_label(
    x: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int
) -> Float64[np.ndarray, "k d"]:
    """Return the mean of the rows of each label 0..k-1; every label needs a row."""
    sizes = np.bincount(labels, minlength=k)
    means = sums_by_label(x, labels, k=k)
    means /= sizes[:, None]
    return means


def mean_directions(
    unit: Float32[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int
) -> Float32[np.ndarray, "k d"]:
    """Return the unit mean of the rows of each label 0..k-1; zero for a label without rows."""
    return unit_rows(sums_by_label(unit, labels, k=k))


def blocks(n: int) -> Iterator[slice]:
    """Return slices of a few rows each, which together hold ``n`` rows."""
    return (slice(start, start + ROWS_PER_BLOCK) for start in range(0, n, ROWS_PER_BLOCK))
