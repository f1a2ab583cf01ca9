"""The same places of videos in two indexes, which may have other windows and other ids."""

from collections import defaultdict
from collections.abc import Sequence

from slic.search.index import Index
from slic.search.repository.labels import Segment
from slic.search.repository.moments import find_moment_of_segment
from slic.search.repository.videos import find_video_of_content

MIN_SHARED = 0.5  # of the shorter of two places


def video_of_content(index: Index, content_id: str) -> int | None:
    """Return the first video of an index with a content, or None."""
    return index.database.read(find_video_of_content, content_id)


def moment_of_place(index: Index, place: Segment) -> int | None:
    """Return the moment that shares most time with a place; None if the index has none there."""
    return index.database.read(find_moment_of_segment, place)


def same_places(ours: Sequence[Segment], theirs: Sequence[Segment]) -> list[tuple[int, int]]:
    """Return the pairs of places that are the same.

    Two places are the same if they are of one content and share at least `MIN_SHARED` of the
    shorter. So a place of a short window may be the same as several of a long one.

    Args:
        ours: Places in one index.
        theirs: Places in another one.

    Returns:
        Positions in ``ours`` and ``theirs``, ascending.
    """
    by_content: defaultdict[str, list[int]] = defaultdict(list)
    for position, place in enumerate(theirs):
        by_content[place.content_id].append(position)
    return [
        (position, other)
        for position, place in enumerate(ours)
        for other in by_content[place.content_id]
        if _is_same(place, theirs[other])
    ]


def _is_same(one: Segment, other: Segment) -> bool:
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    lengths = [place.end_seconds - place.start_seconds for place in (one, other)]
    return shared > 0 and shared >= MIN_SHARED * min(lengths)
