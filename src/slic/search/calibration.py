"""Percentile ranks of similarities: how they compare with those of random queries.

Cosines of two encoders cannot be compared, and a barely trained encoder gives every pair nearly the
same. The percentile rank of a similarity can: it is the share of random pairs that are less alike.
Random queries are made as the user's query was, from as many likes and unlikes. So the mean of
several likes, which is nearer to everything, is compared with means. A text stays as it is, since
there are no random texts. Speaker verification normalises scores in this way, by those of impostors
(z-norm and t-norm; Auckenthaler, Carey and Lloyd-Thomas, 2000).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from slic.errors import SearchError
from slic.search.index import Index
from slic.search.parts import Weights, check_weights
from slic.search.query import Query, refine

SAMPLE_MOMENTS = 1024
RANDOM_QUERIES = 256
MIN_MOMENTS = 20
MIN_PAIRS = 100
_MAX_EXAMPLES = 8  # of a random query; the mean of more hardly differs


class MomentSample(NamedTuple):
    """Random moments of an index.

    Attributes:
        vectors: Their vectors, of unit parts.
        videos: The video of each.
        parts: Names and lengths of the parts.
    """

    vectors: Float32[np.ndarray, "n d"]
    videos: Int64[np.ndarray, " n"]
    parts: Mapping[str, int]


class SimilarityScale(NamedTuple):
    """Similarities of random queries to random moments.

    Attributes:
        similarities: Ascending.
    """

    similarities: Float32[np.ndarray, " n"]

    def percentile_ranks(self, scores: Sequence[float]) -> Float64[np.ndarray, " s"]:
        """Return the share of random pairs, in percent, that are less alike; ties count half."""
        values = np.asarray(scores, np.float32)
        below = np.searchsorted(self.similarities, values, side="left")
        not_above = np.searchsorted(self.similarities, values, side="right")
        ranks: Float64[np.ndarray, " s"] = 50.0 * (below + not_above) / len(self.similarities)
        return ranks


def sample_moments(
    index: Index, *, ids: Int64[np.ndarray, " all"] | None = None, seed: int = 0
) -> MomentSample:
    """Return up to `SAMPLE_MOMENTS` random moments of an index.

    Args:
        index: The index.
        ids: All moments in random order, to save time. None reads and shuffles them.
        seed: Shuffles them.
    """
    shuffled = np.random.default_rng(seed).permutation(index.ids()) if ids is None else ids
    chosen = shuffled[:SAMPLE_MOMENTS]
    videos = [moment.video_id for moment in index.moments(chosen)]
    return MomentSample(index.vectors(chosen), np.array(videos, np.int64), index.parts)


def similarity_scale(
    sample: MomentSample,
    *,
    likes: int = 1,
    unlikes: int = 0,
    text: Query | None = None,
    weights: Weights | None = None,
    seed: int = 0,
) -> SimilarityScale | None:
    """Return the scale for queries of one form.

    Args:
        sample: Random moments.
        likes: Number of clips and moments that the query was made from.
        unlikes: Number of clips and moments that were unliked.
        text: The text that the query has too; its similarities are compared with it.
        weights: Weights of the parts, as for the search.
        seed: Draws the random queries.

    Returns:
        The scale; None for fewer than `MIN_MOMENTS`, or fewer than `MIN_PAIRS` pairs of different
        videos.

    Raises:
        SearchError: A weight is invalid.

    Example:
        >>> hits = search(index, query)
        >>> scale = similarity_scale(sample_moments(index))
        >>> scale.percentile_ranks([hit.score for hit in hits])
    """
    if weights is not None:
        check_weights(sample.parts, weights)
    generator = np.random.default_rng(seed)
    examples = [min(likes, _MAX_EXAMPLES), min(unlikes, _MAX_EXAMPLES)]
    found = []
    for _ in range(RANDOM_QUERIES if sum(examples) else 1):
        drawn = generator.integers(len(sample.videos), size=sum(examples))
        with suppress(SearchError):  # nothing of the random query has a weight, as of a still one
            found.append(_similarities_to_others(sample, drawn, examples[0], text, weights))
    similarities = np.sort(np.concatenate([np.empty(0, np.float32), *found]))
    enough = len(sample.videos) >= MIN_MOMENTS and len(similarities) >= MIN_PAIRS
    return SimilarityScale(similarities) if enough else None


def _similarities_to_others(
    sample: MomentSample,
    drawn: Int64[np.ndarray, " examples"],
    likes: int,
    text: Query | None,
    weights: Weights | None,
) -> Float32[np.ndarray, " others"]:
    """Return the similarities of a random query to the moments of other videos."""
    examples = [Query(sample.vectors[[row]], parts=sample.parts) for row in drawn]
    query = refine([*([text] if text else []), *examples[:likes]], examples[likes:])
    others: Bool[np.ndarray, " n"] = ~np.isin(sample.videos, sample.videos[drawn])
    similarities: Float32[np.ndarray, " others"] = sample.vectors[others] @ query.scaled(
        weights
    ).mean(axis=0)
    return similarities
