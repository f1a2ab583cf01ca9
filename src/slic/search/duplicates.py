"""Nearly equal moments of different files, and moments to which nothing is similar.

Both come from one pass over all moments, in which the store searches the nearest of each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from slic.search.index import Index
from slic.search.parts import Weights, query_factors
from slic.search.repository.moments import MomentTimes, select_times
from slic.search.stores import Neighbours

QUERIES_PER_SEARCH = 1024
COMPARED_NEIGHBOURS = 5  # whose mean similarity tells how isolated a moment is


@dataclass(frozen=True)
class Duplicate:
    """Two nearly equal moments of different files.

    Attributes:
        first: Id of the moment with the smaller id.
        second: Id of the other moment.
        similarity: Their cosine similarity, or the weighted mean of the cosines of the parts.
    """

    first: int
    second: int
    similarity: float


class Survey(NamedTuple):
    """What the nearest moments of every moment tell.

    Attributes:
        duplicates: See `near_duplicates`.
        isolated: See `isolated_moments`.
    """

    duplicates: list[Duplicate]
    isolated: list[tuple[int, float]]


def near_duplicates(
    index: Index,
    *,
    threshold: float = 0.98,
    most: int = 100,
    neighbours: int = 10,
    weights: Weights | None = None,
) -> list[Duplicate]:
    """Return pairs of nearly equal moments, at most one pair for each two files.

    Args:
        index: The index.
        threshold: Smallest similarity of a pair.
        most: Largest number of pairs.
        neighbours: Nearest moments of every moment that are searched for pairs.
        weights: Weights of the parts of a vector; None weights them equally.

    Returns:
        The most similar pair of each two files, most similar first.

    Example:
        >>> near_duplicates(index, threshold=0.99)
        [Duplicate(first=12, second=408, similarity=0.998)]
    """
    survey = survey_moments(
        index, threshold=threshold, most=most, neighbours=neighbours, weights=weights
    )
    return survey.duplicates


def isolated_moments(
    index: Index, *, most: int = 20, neighbours: int = 10, weights: Weights | None = None
) -> list[tuple[int, float]]:
    """Return the moments that have the least similar neighbours.

    Args:
        index: The index.
        most: Largest number of moments.
        neighbours: Nearest moments of every moment that are searched. Those that overlap it in the
            same video do not count. Of the others, the nearest `COMPARED_NEIGHBOURS` count.
        weights: Weights of the parts of a vector; None weights them equally.

    Returns:
        Pairs of moment id and mean similarity to those neighbours, the least similar first.
    """
    survey = survey_moments(
        index, threshold=np.inf, most=most, neighbours=neighbours, weights=weights
    )
    return survey.isolated


def survey_moments(
    index: Index,
    *,
    threshold: float = 0.98,
    most: int = 100,
    neighbours: int = 10,
    weights: Weights | None = None,
    on_batch: Callable[[int, int], None] = lambda _done, _total: None,
) -> Survey:
    """Return near duplicates and isolated moments, of one search for the nearest of every moment.

    Args:
        index: The index.
        threshold: Smallest similarity of a pair of near duplicates.
        most: Largest number of pairs, and of isolated moments.
        neighbours: Nearest moments that are searched.
        weights: Weights of the parts of a vector; None weights them equally.
        on_batch: Called with the moments that were searched, and with all.
    """
    times = index.database.read(select_times)
    best: dict[tuple[int, int], Duplicate] = {}
    similarity: dict[int, float] = {}
    for ids, near, total in _nearest_of_all(index, neighbours, weights):
        _collect_pairs(best, ids, near, times, threshold)
        similarity |= zip(ids.tolist(), _mean_similarity(ids, near, times).tolist(), strict=True)
        on_batch(len(similarity), total)
    pairs = sorted(best.values(), key=lambda pair: (-pair.similarity, pair.first))
    isolated = sorted(similarity.items(), key=lambda entry: (entry[1], entry[0]))
    return Survey(pairs[:most], isolated[:most])


def _nearest_of_all(
    index: Index, neighbours: int, weights: Weights | None
) -> Iterator[tuple[Int64[np.ndarray, " q"], Neighbours, int]]:
    """Give moments, the nearest of each, and the number of all moments."""
    factors = query_factors(index.parts, weights, list(index.parts))
    ids, x = index.all_vectors()
    for start in range(0, len(ids), QUERIES_PER_SEARCH):
        part = slice(start, start + QUERIES_PER_SEARCH)
        yield ids[part], index.nearest(factors * x[part], neighbours), len(ids)


def _collect_pairs(
    best: dict[tuple[int, int], Duplicate],
    ids: Int64[np.ndarray, " q"],
    near: Neighbours,
    times: MomentTimes,
    threshold: float,
) -> None:
    """Keep the most similar pair of each two files."""
    own, other = times.videos_of(ids)[:, None], times.videos_of(near.ids)
    found = (near.similarities >= threshold) & (own != other) & (own >= 0) & (other >= 0)
    for query, column in zip(*np.nonzero(found), strict=True):
        similarity = float(near.similarities[query, column])
        files = sorted((int(own[query, 0]), int(other[query, column])))
        key = (files[0], files[1])
        if key not in best or similarity > best[key].similarity:
            pair = sorted((int(ids[query]), int(near.ids[query, column])))
            best[key] = Duplicate(pair[0], pair[1], similarity)


def _mean_similarity(
    ids: Int64[np.ndarray, " q"], near: Neighbours, times: MomentTimes
) -> Float32[np.ndarray, " q"]:
    """Return the mean similarity to the nearest moments that do not overlap.

    Where all that were searched overlap, the last of them counts: no other is more similar.
    """
    counted = (near.ids >= 0) & ~times.overlap(ids[:, None], near.ids)
    counted &= counted.cumsum(axis=1) <= COMPARED_NEIGHBOURS
    total = np.where(counted, near.similarities, 0.0).sum(axis=1)
    number = counted.sum(axis=1)
    last = np.where(near.ids >= 0, near.similarities, np.inf).min(axis=1)
    mean: Float32[np.ndarray, " q"] = np.where(number > 0, total / np.maximum(number, 1), last)
    return mean.astype(np.float32)
