"""One query in two indexes of overlapping collections, made with other encoders or windows."""

from collections.abc import Sequence
from typing import NamedTuple

from slic.errors import SearchError
from slic.search import Hit, Index
from slic.search.correspondence import moment_of_place, same_places, video_of_content
from slic.search.labels import segments_of
from slic.search.repository.labels import Segment
from slic.studio.requests import CompareRequest, QueryExample, SearchRequest
from slic.studio.selection import Found, search_moments
from slic.studio.state import Studio


class Comparison(NamedTuple):
    """What the compared index finds, beside what the first one found.

    Attributes:
        found: The answer of the compared index.
        twins: For each hit, the moment of the first index at the same place, or None.
        pairs: Positions in the moments shown and in the hits that are the same place.
        skipped: Number of examples whose video the compared index does not have.
    """

    found: Found
    twins: list[int | None]
    pairs: list[tuple[int, int]]
    skipped: int


def compare(studio: Studio, request: CompareRequest) -> Comparison:
    """Search the compared index for what a request asks of the first one.

    Raises:
        SearchError: There is no compared index, or it cannot answer: it has none of the liked
            videos, no text, or the scope is one of the first index.
        VideoError: An uploaded video cannot be decoded.
    """
    if (compared := studio.compared) is None:
        raise SearchError("No index is compared. Start the studio with --compare INDEX.")
    translated, skipped = translate_request(studio, compared, request)
    found = search_moments(compared, translated)
    theirs = [_place_of_hit(compared.index, hit) for hit in found.hits]
    ours = _shown_places(studio.index, request)
    twins = [moment_of_place(studio.index, place) for place in theirs]
    return Comparison(found, twins, same_places(ours, theirs), skipped)


def translate_request(
    studio: Studio, compared: Studio, request: SearchRequest
) -> tuple[SearchRequest, int]:
    """Return a request with the examples of the compared index, and how many it does not have.

    Weights are kept if both indexes have the same parts.

    Raises:
        SearchError: None of the likes is in the compared index, or the scope is a lasso or cluster.
    """
    if request.scope.lasso or request.scope.cluster is not None:
        raise SearchError("A lasso or cluster is of the first index only. Remove it to compare.")
    like, unlike = (
        [_translate_example(studio, compared, example) for example in examples]
        for examples in (request.like, request.unlike)
    )
    liked, unliked = (
        [example for example in examples if example is not None] for examples in (like, unlike)
    )
    if not liked and not request.text.strip():
        raise SearchError(
            f"{compared.title}: this index does not have the video of the query. "
            "Like a moment of a video that both indexes have, or drop a clip."
        )
    same_parts = list(studio.index.parts) == list(compared.index.parts)
    translated = SearchRequest(
        text=request.text,
        like=liked,
        unlike=unliked,
        weights=request.weights if same_parts else None,
        scope=request.scope,
        k=request.k,
    )
    return translated, len(like) + len(unlike) - len(liked) - len(unliked)


def _translate_example(
    studio: Studio, compared: Studio, example: QueryExample
) -> QueryExample | None:
    if example.moment is not None:
        (place,) = segments_of(studio.index, [example.moment])
    elif example.video is not None:
        content = studio.index.video(example.video).content_id
        place = Segment(content, example.start, example.end)
    else:
        return example  # an upload, which both embed
    video = video_of_content(compared.index, place.content_id)
    if video is None:
        return None
    return QueryExample(video=video, start=place.start_seconds, end=place.end_seconds)


def _shown_places(index: Index, request: CompareRequest) -> list[Segment]:
    moments = segments_of(index, request.shown)
    spans = zip(moments, request.spans, strict=True)
    return [Segment(moment.content_id, *span) for moment, span in spans]


def _place_of_hit(index: Index, hit: Hit) -> Segment:
    content = index.video(hit.video_id).content_id
    return Segment(content, hit.best_start_seconds, hit.best_end_seconds)


def overlap_at_k(pairs: Sequence[tuple[int, int]], k: int) -> float:
    """Return the share of the first ``k`` of one list that is among the first ``k`` of the other.

    Args:
        pairs: Positions that are the same place, see `same_places`.
        k: Number of results, at least 1.
    """
    return len({ours for ours, theirs in pairs if ours < k and theirs < k}) / k
