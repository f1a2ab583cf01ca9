"""Weights of the parts of a vector that follow from liked moments, or from labels.

A part gets weight where pairs that belong together are more alike than pairs that do not. Its
weight is proportional to the difference of their mean cosines, divided by the variance of the
cosines of pairs that do not belong together. That is Fisher's linear discriminant (1936) of the two
kinds of pairs, with a diagonal covariance. A negative weight becomes 0.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from slic.errors import LabelError, SearchError
from slic.neighbours.rows import normalise, slices_of
from slic.search.index import Index
from slic.search.labels import labels_of_moments, segments_of
from slic.search.query import Query

AUTOMATIC_LIKES = 3
"""Number of likes from which the command and the studio take the weights from the likes."""

AUTOMATIC_LABELS = 20
"""Number of labelled moments from which the studio takes the weights from the labels.

Of 60 draws of 20 labels on arid6, 5 % gave a lower mean average precision than equal weights; of 10
labels, 20 %.
"""

MAX_OTHERS = 200  # random moments that stand for what was not liked
MAX_LABELLED = 2000  # moments whose pairs are compared
_ROUNDING = 1e-6  # a difference of cosines below it is none
_MIN_VARIANCE = 1e-8  # of cosines


def weights_from_likes(
    likes: Float32[np.ndarray, "n d"],
    others: Float32[np.ndarray, "m d"],
    parts: Mapping[str, int],
) -> dict[str, float]:
    """Return the weights of parts by which likes are like each other, and unlike the others.

    Args:
        likes: Vectors of liked moments, at least 2. A part that is zero in all of them gets 0.
        others: Vectors of unliked or random moments.
        parts: Names and lengths of the parts.

    Returns:
        A weight for each part. Their sum is 1. If no part tells likes from others, they are equal.

    Raises:
        SearchError: There are fewer than 2 likes.
    """
    if len(likes) < 2:
        raise SearchError(f"{len(likes)} likes: weights follow from at least 2.")
    pairs = np.triu_indices(len(likes), 1)
    gains = {}
    for name, part in slices_of(parts).items():
        liked = normalise(likes[:, part])
        different = (liked @ normalise(others[:, part]).T).ravel()
        gains[name] = _gain((liked @ liked.T)[pairs], different)
    return _shares(gains, likes, parts)


def weights_from_labels(
    vectors: Float32[np.ndarray, "n d"],
    labels: Sequence[str],
    groups: Sequence[str],
    parts: Mapping[str, int],
) -> dict[str, float]:
    """Return the weights of parts by which moments of one label are alike, and others are not.

    Args:
        vectors: Vectors of labelled moments.
        labels: Their labels.
        groups: The video of each. Pairs of one label and one video do not count: they are alike in
            everything.
        parts: Names and lengths of the parts.

    Returns:
        A weight for each part. Their sum is 1. If no part tells labels apart, they are equal.

    Raises:
        LabelError: No two videos share a label, or there is only one label.
    """
    same_label, same_group = _equal_pairs(labels), _equal_pairs(groups)
    alike, different = np.triu(same_label & ~same_group, 1), np.triu(~same_label, 1)
    if not alike.any() or not different.any():
        raise LabelError(
            "Weights cannot follow from the labels: at least two labels are needed, one of them in "
            "two videos; label more moments."
        )
    gains = {}
    for name, part in slices_of(parts).items():
        rows = normalise(vectors[:, part])
        cosines = rows @ rows.T
        gains[name] = _gain(cosines[alike], cosines[different])
    return _shares(gains, vectors, parts)


def choose_weights(
    index: Index,
    like: Sequence[Query],
    unlike: Sequence[Query] = (),
    *,
    ids: Int64[np.ndarray, " all"] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Return the weights of parts that follow from likes and unlikes; see `weights_from_likes`.

    The likes are compared with each other, with the unlikes, and with up to 200 random moments of
    other videos.

    Args:
        index: The index.
        like: At least 2 queries of clips or moments.
        unlike: Queries of clips or moments.
        ids: The ids of all moments, in any order, to save time. None reads them from the index.
        seed: Draws the moments.

    Raises:
        SearchError: There are fewer than 2 likes.

    Example:
        >>> likes = [query_from_clip(index, path) for path in ("a.mp4", "b.mp4", "c.mp4")]
        >>> hits = search(index, refine(likes, []), weights=choose_weights(index, likes))
    """
    used = [moment for query in like for moment in query.moments]
    drawn = index.vectors(_draw_others(index, used, index.ids() if ids is None else ids, seed))
    empty = np.empty((0, index.settings.dimension), np.float32)
    liked, unliked = (
        np.stack([query.direction for query in queries]) if queries else empty
        for queries in (like, unlike)
    )
    return weights_from_likes(liked, np.concatenate([unliked, drawn]), index.parts)


def choose_weights_by_labels(index: Index, *, least: int = 0, seed: int = 0) -> dict[str, float]:
    """Return the weights of parts that follow from the labels that a person gave.

    Args:
        index: The index.
        least: Number of labelled moments that are needed.
        seed: Draws 2,000 labelled moments if there are more.

    Raises:
        LabelError: There are too few labels, or they say nothing; see `weights_from_labels`.
    """
    given = {i: v.label for i, v in labels_of_moments(index).items() if v.source == "given"}
    if len(given) < least:
        raise LabelError(f"{len(given)} labelled moments: weights need at least {least}.")
    ids = np.random.default_rng(seed).permutation(sorted(given))[:MAX_LABELLED].tolist()
    labels = [given[i] for i in ids]
    contents = [segment.content_id for segment in segments_of(index, ids)]
    return weights_from_labels(index.vectors(ids), labels, contents, index.parts)


def _draw_others(
    index: Index, likes: Sequence[int], ids: Int64[np.ndarray, " all"], seed: int
) -> Int64[np.ndarray, " m"]:
    """Return random moments of the videos that have none of the likes."""
    videos = {moment.video_id for moment in index.moments(likes)}
    own = [i for numbers in index.moment_numbers(videos).values() for i in numbers.values()]
    others = np.sort(ids[~np.isin(ids, own)])
    count = min(MAX_OTHERS, len(others))
    return others[np.random.default_rng(seed).choice(len(others), count, replace=False)]


def _equal_pairs(values: Sequence[str]) -> Bool[np.ndarray, "n n"]:
    column = np.array(values, dtype=np.str_)
    equal: Bool[np.ndarray, "n n"] = column[:, None] == column
    return equal


def _gain(alike: Float64[np.ndarray, " a"], different: Float64[np.ndarray, " b"]) -> float:
    """Return Fisher's weight of a part; 0 if pairs that belong together are not more alike."""
    if not len(different):
        return 0.0
    difference = float(alike.mean() - different.mean())
    return difference / max(float(different.var()), _MIN_VARIANCE) * (difference > _ROUNDING)


def _shares(
    gains: Mapping[str, float], vectors: Float32[np.ndarray, "n d"], parts: Mapping[str, int]
) -> dict[str, float]:
    """Return gains with sum 1; if all are 0, equal ones for the parts that are not zero."""
    total = sum(gains.values())
    if total > 0:
        return {name: gain / total for name, gain in gains.items()}
    present = {name: float(vectors[:, part].any()) for name, part in slices_of(parts).items()}
    return {name: value / max(sum(present.values()), 1.0) for name, value in present.items()}
