"""Named parts of a vector, such as appearance and motion, and their weights.

A stored vector joins the parts of an embedding, each at unit length. The similarity of two vectors
is a weighted mean of the cosines of their parts. That is one inner product of the stored vector
with a scaled query. So the weights can be chosen for each search, and the store stays as it is.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float, Float32

from slic.errors import SearchError
from slic.neighbours.rows import normalise, slices_of

TEXT_PART = "text"
"""Name of the part that lies in the space of text queries."""

Weights = Mapping[str, float]


def unit_parts(x: Float[np.ndarray, "n d"], parts: Mapping[str, int]) -> Float32[np.ndarray, "n d"]:
    """Return rows whose parts have length 1; a part that is zero stays zero."""
    unit = np.empty(x.shape, np.float32)
    for part in slices_of(parts).values():
        unit[:, part] = normalise(x[:, part])
    return unit


def present_parts(x: Float[np.ndarray, "n d"], parts: Mapping[str, int]) -> list[str]:
    """Return the names of the parts that are not zero in all rows."""
    return [name for name, part in slices_of(parts).items() if x[:, part].any()]


def query_factors(
    parts: Mapping[str, int], weights: Weights | None, present: Collection[str]
) -> Float32[np.ndarray, " d"]:
    """Return what to multiply a query with, so that inner products are weighted mean cosines.

    Args:
        parts: Names and lengths of the parts.
        weights: Weights by name; a part without one has weight 0. None weights parts equally.
        present: Parts that the query has. Weights of the others do not count.

    Raises:
        SearchError: A weight is invalid (`check_weights`), or no part of the query has a weight.
    """
    shares = dict.fromkeys(parts, 1.0) if weights is None else check_weights(parts, weights)
    total = sum(shares.get(name, 0.0) for name in present)
    if present and not total > 0:
        raise SearchError(
            f"weights {format_weights(shares)}: the query has only {', '.join(present)}; "
            "give one of these a weight above 0."
        )
    per_part = [shares.get(n, 0.0) / total if n in present else 0.0 for n in parts]
    return np.repeat(np.array(per_part, np.float32), list(parts.values()))


def vector_factors(parts: Mapping[str, int], weights: Weights | None) -> Float32[np.ndarray, " d"]:
    """Return what to multiply stored vectors with, to compare them with each other.

    The inner product of two multiplied vectors is the weighted mean of the cosines of their parts.

    Raises:
        SearchError: A weight is invalid, see `check_weights`.
    """
    factors: Float32[np.ndarray, " d"] = np.sqrt(query_factors(parts, weights, list(parts)))
    return factors


def check_weights(parts: Mapping[str, int], weights: Weights) -> dict[str, float]:
    """Return weights that name parts of the index and are valid.

    Raises:
        SearchError: A name is no part, a weight is negative or not finite, or all are 0.
    """
    if unknown := [name for name in weights if name not in parts]:
        raise SearchError(
            f"weight of {unknown[0]!r}: the index has no such part; it has {', '.join(parts)}."
        )
    valid = all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
    if not valid or not sum(weights.values()) > 0:
        raise SearchError(
            f"weights {format_weights(weights)}: each must be a number of at least 0, "
            "and one must be above 0."
        )
    return dict(weights)


def format_weights(weights: Weights) -> str:
    """Return weights as text, such as ``motion=0.7,appearance=0.3``."""
    return ",".join(f"{name}={weight:g}" for name, weight in weights.items())
