"""Nearly equal moments of different files."""

from dataclasses import dataclass

import numpy as np

from slic.search.index import Index
from slic.search.parts import Weights, query_factors
from slic.search.repository.moments import select_video_of_moments

QUERIES_PER_SEARCH = 1024


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
    factors = query_factors(index.parts, weights, list(index.parts))
    ids, x = index.all_vectors()
    video_of = index.database.read(select_video_of_moments)
    best: dict[tuple[int, int], Duplicate] = {}
    for start in range(0, len(ids), QUERIES_PER_SEARCH):
        near = index.nearest(factors * x[start : start + QUERIES_PER_SEARCH], neighbours)
        for query, column in zip(*np.nonzero(near.similarities >= threshold), strict=True):
            pair = sorted((int(ids[start + query]), int(near.ids[query, column])))
            # a moment that was removed in the meantime has no video
            files = (video_of.get(pair[0], -1), video_of.get(pair[1], -1))
            similarity = float(near.similarities[query, column])
            key = (min(files), max(files))
            if files[0] != files[1] and (key not in best or similarity > best[key].similarity):
                best[key] = Duplicate(pair[0], pair[1], similarity)
    return sorted(best.values(), key=lambda pair: (-pair.similarity, pair.first))[:most]
