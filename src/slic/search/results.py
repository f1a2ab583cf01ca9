"""From nearest moments to what a person sees: places in videos, merged where they touch.

A query of one window ranks moments by their cosine similarity; those of a video that overlap or
touch are one hit. A longer query is laid along the video: every near moment of every window votes
for where the query would begin, and the places with most votes are scored exactly, by the mean
similarity of the query's windows to the moments beneath them.

How many near moments make so many hits is not known before: a long video in which nothing changes
may take all of a lookup, and is one hit. So the lookup is doubled until the hits are there.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from slic.errors import SearchError
from slic.search.index import Index, Moment
from slic.search.query import Query
from slic.search.stores import Neighbours

MOMENTS_PER_HIT = 8  # looked up at first for each hit: neighbouring moments are merged
PLACES_PER_MOMENT = 2.5  # looked up, of a long query: the best of them are scored exactly
MOST_NEIGHBOURS = 1 << 21  # of all windows of a query: what a lookup holds in memory
SMALLEST_SHARE = 0.5  # of a long query's windows that must lie inside the video


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A place in a video.

    Attributes:
        video_id: Of the index.
        path: Of the video, below its root; absolute where several roots have it.
        start_seconds: Of the merged segment.
        end_seconds: Likewise.
        score: Cosine similarity, -1..1, of the best moment (or the mean along a longer query).
        moment_id: The best moment, the first under a longer query.
        best_start_seconds: Where the best moment, or the longer query, begins.
        best_end_seconds: Where it ends.
        label: Of the best moment, or None.
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


class _Place(NamedTuple):
    score: float
    first: Moment
    end_seconds: float


def search(index: Index, query: Query, *, k: int = 10, where: str | None = None) -> list[Hit]:
    """Return the ``k`` best places, best first; see the module for how they are found.

    The moments that the query itself is made of, and what overlaps them, are left out.

    Raises:
        SearchError: An empty index, a ``k`` below 1, or a filter that is none.
    """
    if k < 1:
        raise SearchError(f"--k {k}: at least 1 result must be asked for.")
    if (count := index.count) == 0:
        raise SearchError(f"{index.path}: the index has no moments; run `slic index` first.")
    most = min(count, MOST_NEIGHBOURS // len(query.vectors))
    width, hits = min(k * MOMENTS_PER_HIT, most), list[Hit]()
    while True:
        near = index.nearest(query.vectors, width, where=where)
        hits = max(hits, _hits(index, query, near), key=len)  # a wider lookup may merge hits
        if len(hits) >= k or width == most or (near.ids < 0).any():
            return hits[:k]
        width = min(2 * width, most)


def _hits(index: Index, query: Query, near: Neighbours) -> list[Hit]:
    if len(query.vectors) == 1:
        places = _moments_as_places(index, near)
    else:
        places = _laid_along(index, query, near)
    if query.moments:
        places = _without(places, index.moments(query.moments))
    return _merged(places, widen=len(query.vectors) == 1)


def _moments_as_places(index: Index, near: Neighbours) -> list[_Place]:
    kept = near.ids[0] >= 0
    moments = index.moments(near.ids[0][kept].tolist())
    scores = near.similarities[0][kept].tolist()
    places = [_Place(s, m, m.end_seconds) for s, m in zip(scores, moments, strict=True)]
    return sorted(places, key=lambda place: (-place.score, place.first.id))


def _laid_along(index: Index, query: Query, near: Neighbours) -> list[_Place]:
    votes: defaultdict[tuple[int, int], float] = defaultdict(float)
    known = {m.id: m for m in index.moments(np.unique(near.ids[near.ids >= 0]).tolist())}
    for window, (ids, similarities) in enumerate(zip(*near, strict=True)):
        for moment_id, similarity in zip(ids.tolist(), similarities.tolist(), strict=True):
            if moment_id >= 0:
                moment = known[moment_id]
                votes[moment.video_id, moment.number - window] += similarity
    most = math.ceil(PLACES_PER_MOMENT * near.ids.shape[1])
    best = sorted(votes, key=lambda place: (-votes[place], place))[:most]
    scored = _scored(index, query, best)
    return sorted(scored, key=lambda place: (-place.score, place.first.id))


def _scored(index: Index, query: Query, places: Sequence[tuple[int, int]]) -> list[_Place]:
    """Score where the query would lie, by those of its windows that lie inside the video."""
    ids = index.moment_numbers({video for video, _ in places})
    span = len(query.vectors)
    inside = []
    for video, start in places:
        numbers = [n for n in range(start, start + span) if n in ids[video]]
        if len(numbers) >= SMALLEST_SHARE * min(span, len(ids[video])):
            inside.append(([ids[video][n] for n in numbers], [n - start for n in numbers]))
    used = sorted({moment for beneath, _ in inside for moment in beneath})
    vectors = dict(zip(used, index.vectors(used), strict=True))
    ends = index.moments([beneath[end] for beneath, _ in inside for end in (0, -1)])
    scored = []
    for (beneath, windows), first, last in zip(inside, ends[::2], ends[1::2], strict=True):
        rows: Float32[np.ndarray, "m d"] = np.stack([vectors[moment] for moment in beneath])
        score = float((rows * query.vectors[windows]).sum(axis=1).mean())
        scored.append(_Place(score, first, last.end_seconds))
    return scored


def _without(places: Iterable[_Place], own: Collection[Moment]) -> list[_Place]:
    """Leave out what overlaps the query's own moments."""
    return [
        place
        for place in places
        if not any(
            moment.video_id == place.first.video_id
            and moment.start_seconds < place.end_seconds
            and place.first.start_seconds < moment.end_seconds
            for moment in own
        )
    ]


def _merged(places: Iterable[_Place], *, widen: bool) -> list[Hit]:
    """Merge places of a video, best first, that overlap or touch; the best of them gives the score.

    Without ``widen`` the hit keeps the times of the best: the others are the same find, laid a
    little beside it.
    """
    by_video: defaultdict[int, list[Hit]] = defaultdict(list)
    for place in places:
        hit, hits = _hit(place), by_video[place.first.video_id]
        touching = [other for other in hits if _touch(other, hit)]
        if not touching:
            hits.append(hit)
        elif widen:
            hits[hits.index(touching[0])] = replace(
                touching[0],
                start_seconds=min(h.start_seconds for h in (*touching, hit)),
                end_seconds=max(h.end_seconds for h in (*touching, hit)),
            )
            hits[:] = [other for other in hits if other not in touching[1:]]
    merged = [hit for hits in by_video.values() for hit in hits]
    return sorted(merged, key=lambda hit: (-hit.score, hit.moment_id))


def _hit(place: _Place) -> Hit:
    first, end = place.first, place.end_seconds
    return Hit(
        video_id=first.video_id,
        path=first.path,
        start_seconds=first.start_seconds,
        end_seconds=end,
        score=place.score,
        moment_id=first.id,
        best_start_seconds=first.start_seconds,
        best_end_seconds=end,
        label=first.label,
    )


def _touch(one: Hit, other: Hit) -> bool:
    """Tell whether two hits of a video overlap or touch."""
    return (
        one.start_seconds <= other.end_seconds + 1e-6
        and other.start_seconds <= one.end_seconds + 1e-6
    )
