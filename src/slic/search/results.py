"""Searching: from the nearest moments to hits, which are time ranges of videos.

A query of one window ranks moments by their similarity: the cosine, or the weighted mean of the
cosines of several parts. Moments of a video that overlap or touch form one hit. A longer query is
aligned with the videos: every near moment of every window votes for where the query would start.
The positions with most votes are scored exactly, by the mean similarity of the query's windows to
the moments at their places.

How many moments make enough hits is not known before. A long video in which nothing changes may
fill the whole list of neighbours, and is one hit. So the list is doubled until it has enough hits.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from slic.errors import SearchError
from slic.search.index import Index
from slic.search.parts import Weights
from slic.search.query import Query
from slic.search.repository.moments import Moment
from slic.search.stores import Neighbours

MOMENTS_PER_HIT = 8  # neighbours to fetch first per hit, because neighbouring moments are merged
ALIGNMENTS_PER_MOMENT = 2.5  # positions of a long query that are scored exactly
MAX_NEIGHBOURS_IN_MEMORY = 1 << 21  # of all windows of a query together
MIN_OVERLAP_SHARE = 0.5  # of a long query's windows that must be inside the video
_TOUCHING_SECONDS = 1e-6  # rounding of times


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A time range of a video that was found.

    Attributes:
        video_id: The video's id in the index.
        path: Path of the video relative to its root; absolute where several roots have it.
        start_seconds: Start of the merged range.
        end_seconds: End of the merged range.
        score: Similarity, in [-1, 1], of the best moment, or the mean along a longer query: the
            cosine, or the weighted mean of the cosines of the parts.
        moment_id: The best moment, or the first along a longer query.
        best_start_seconds: Start of the best moment, or of the longer query.
        best_end_seconds: Its end.
        label: Label of the moment ``moment_id``, or None.
    """

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float
    score: float
    moment_id: int
    best_start_seconds: float
    best_end_seconds: float
    label: str | None


def search(
    index: Index,
    query: Query,
    *,
    k: int = 10,
    where: str | None = None,
    weights: Weights | None = None,
) -> list[Hit]:
    """Return the best hits, best first.

    The moments that the query was made from, and what overlaps them, are left out.

    Args:
        index: The index.
        query: What to search for.
        k: Number of hits, at least 1.
        where: A filter, see `slic.search.repository.filters`.
        weights: Weights of the parts of a vector, such as ``{"motion": 0.7, "appearance": 0.3}``;
            parts that are not named have weight 0. None weights all parts equally that the query
            has.

    Raises:
        SearchError: The index is empty, ``k`` is below 1, or the filter or a weight is invalid.

    Example:
        >>> for hit in search(index, query_from_clip(index, "clip.mp4"), k=5):
        ...     print(hit.path, hit.start_seconds, hit.score)
    """
    if k < 1:
        raise SearchError(f"k {k}: it must be at least 1.")
    if (count := index.count) == 0:
        raise SearchError(f"{index.path}: the index has no moments; run `slic index` first.")
    scaled = query.scaled(weights)
    max_width = min(count, MAX_NEIGHBOURS_IN_MEMORY // len(scaled))
    width, hits = min(k * MOMENTS_PER_HIT, max_width), list[Hit]()
    while True:
        near = index.nearest(scaled, width, where=where)
        # More neighbours may merge hits that were apart, so the larger list is kept.
        hits = max(hits, _find_hits(index, scaled, near, query.moments), key=len)
        if len(hits) >= k or width == max_width or (near.ids < 0).any():
            return hits[:k]
        width = min(2 * width, max_width)


def _find_hits(
    index: Index, scaled: Float32[np.ndarray, "w d"], near: Neighbours, used: Sequence[int]
) -> list[Hit]:
    one_window = len(scaled) == 1
    hits = _single_hits(index, near) if one_window else _align(index, scaled, near)
    examples = index.moments(used)
    others = [hit for hit in hits if not any(_overlaps(hit, moment) for moment in examples)]
    return _merge_hits(_best_first(others), widen=one_window)


def _overlaps(hit: Hit, moment: Moment) -> bool:
    return hit.video_id == moment.video_id and _gap_seconds(hit, moment) < 0


def _best_first(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.moment_id))


def make_hit(score: float, first: Moment, end_seconds: float) -> Hit:
    """Return the hit of a moment, or of a position of a longer query, before merging."""
    return Hit(
        video_id=first.video_id,
        path=first.path,
        start_seconds=first.start_seconds,
        end_seconds=end_seconds,
        score=score,
        moment_id=first.id,
        best_start_seconds=first.start_seconds,
        best_end_seconds=end_seconds,
        label=first.label,
    )


def _single_hits(index: Index, near: Neighbours) -> list[Hit]:
    kept = near.ids[0] >= 0
    moments = index.moments(near.ids[0][kept].tolist())
    scores = near.similarities[0][kept].tolist()
    return [make_hit(s, m, m.end_seconds) for s, m in zip(scores, moments, strict=True)]


def _align(index: Index, scaled: Float32[np.ndarray, "w d"], near: Neighbours) -> list[Hit]:
    """Vote for the positions (video, number of the first moment) where a long query would start."""
    votes: defaultdict[tuple[int, int], float] = defaultdict(float)
    known = {m.id: m for m in index.moments(np.unique(near.ids[near.ids >= 0]).tolist())}
    for window, (ids, similarities) in enumerate(zip(*near, strict=True)):
        for moment_id, similarity in zip(ids.tolist(), similarities.tolist(), strict=True):
            if moment_id >= 0:
                moment = known[moment_id]
                votes[moment.video_id, moment.number - window] += similarity
    limit = math.ceil(ALIGNMENTS_PER_MOMENT * near.ids.shape[1])
    best = sorted(votes, key=lambda position: (-votes[position], position))[:limit]
    return _score_alignments(index, scaled, best)


def _score_alignments(
    index: Index, scaled: Float32[np.ndarray, "w d"], positions: Sequence[tuple[int, int]]
) -> list[Hit]:
    """Score positions of a long query by those of its windows that are inside the video."""
    ids = index.moment_numbers({video for video, _ in positions})
    length = len(scaled)
    inside = []
    for video, start in positions:
        numbers = [n for n in range(start, start + length) if n in ids[video]]
        if len(numbers) >= MIN_OVERLAP_SHARE * min(length, len(ids[video])):
            inside.append(([ids[video][n] for n in numbers], [n - start for n in numbers]))
    used = sorted({moment for moments, _ in inside for moment in moments})
    vectors = dict(zip(used, index.vectors(used), strict=True))
    ends = index.moments([moments[end] for moments, _ in inside for end in (0, -1)])
    hits = []
    for (moments, windows), first, last in zip(inside, ends[::2], ends[1::2], strict=True):
        rows: Float32[np.ndarray, "m d"] = np.stack([vectors[moment] for moment in moments])
        score = float((rows * scaled[windows]).sum(axis=1).mean())
        hits.append(make_hit(score, first, last.end_seconds))
    return hits


def _gap_seconds(one: Hit | Moment, other: Hit | Moment) -> float:
    """Return the time between two ranges of a video; negative where they overlap."""
    start = max(one.start_seconds, other.start_seconds)
    return start - min(one.end_seconds, other.end_seconds)


def _merge_hits(hits: Iterable[Hit], *, widen: bool) -> list[Hit]:
    """Merge hits of a video that overlap or touch.

    Args:
        hits: Best first; the first of those that are merged gives its score.
        widen: Let the hit cover all that are merged. Otherwise it keeps the times of the first: the
            others are the same find of a long query, a little shifted.
    """
    by_video: defaultdict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        merged = by_video[hit.video_id]
        touching = [other for other in merged if _gap_seconds(other, hit) <= _TOUCHING_SECONDS]
        if not touching:
            merged.append(hit)
        elif widen:
            merged[merged.index(touching[0])] = replace(
                touching[0],
                start_seconds=min(h.start_seconds for h in (*touching, hit)),
                end_seconds=max(h.end_seconds for h in (*touching, hit)),
            )
            merged[:] = [other for other in merged if other not in touching[1:]]
    return _best_first(hit for merged in by_video.values() for hit in merged)
