"""From a request to moments: those in a scope, and those nearest to a query."""

from functools import partial
from typing import NamedTuple

import numpy as np

from slic.errors import SearchError
from slic.neighbours.exact import NearestRows, merge_nearest
from slic.search import Hit, Query, cluster_members, query_from_moments, refine, search
from slic.search.calibration import SimilarityScale, sample_moments, similarity_scale
from slic.search.parts import Weights
from slic.search.query import no_text_message, text_query
from slic.search.results import make_hit
from slic.search.timeline import query_from_range
from slic.studio.embedding import embed_text, embed_upload
from slic.studio.projection import MomentIds
from slic.studio.requests import MomentScope, QueryExample, SearchRequest
from slic.studio.state import Studio
from slic.studio.weighing import Weighing, weigh

COMPARED_AT_A_TIME = 65_536  # moments of a lasso or cluster


class Found(NamedTuple):
    """The answer to a search.

    Attributes:
        hits: The nearest moments, best first.
        weighing: The weights of the parts that were used, and what set them.
        percentiles: For each hit, the share of random pairs in percent that are less alike; see
            `slic.search.calibration`. None in an index that is too small for it.
    """

    hits: list[Hit]
    weighing: Weighing
    percentiles: list[float] | None


def select_moments(studio: Studio, scope: MomentScope) -> MomentIds:
    """Return the ids of the moments in a scope, in the order in which the page shows them.

    Raises:
        SearchError: The filter is invalid, there is no such cluster, or the map that the lasso
            refers to is not ready.
    """
    if scope.cluster is not None:
        cluster = scope.cluster
        ids = studio.cached(
            ("members", cluster.level, cluster.id),
            lambda: cluster_members(studio.index, cluster.id, level=cluster.level),
        )
    else:
        ids = studio.shuffled_ids()
    if scope.lasso:
        ids = ids[np.isin(ids, _moments_in_lasso(studio, scope.lasso))]
    if where := scope.where.strip():
        ids = ids[np.isin(ids, studio.index.matching(where))]
    return ids


def search_moments(studio: Studio, request: SearchRequest) -> Found:
    """Return the moments nearest to the text and likes, and away from the unlikes, best first.

    Without a lasso or cluster, the vector store answers. In a lasso or cluster, the query is
    compared with each of its moments. While nothing is indexed yet, nothing is found.

    Raises:
        SearchError: An example or the scope does not exist, or the query is empty.
        VideoError: An uploaded video cannot be decoded.
    """
    if studio.index.count == 0:
        return Found([], Weighing(None, "equal"), None)
    asked = ask(studio, request)
    scope, weights = request.scope, asked.weighing.weights
    if not scope.lasso and scope.cluster is None:
        where = scope.where.strip() or None
        hits = search(studio.index, asked.query, k=request.k, where=where, weights=weights)
    else:
        ids = select_moments(studio, scope)
        hits = _search_exactly(studio, asked.query, ids, k=request.k, weights=weights)
    scale = scale_of(studio, asked)
    ranks = scale.percentile_ranks([hit.score for hit in hits]).tolist() if scale else None
    return Found(hits, asked.weighing, ranks)


class Asked(NamedTuple):
    """What a request asks for.

    Attributes:
        query: The query.
        weighing: The weights of the parts.
        text: The query of the text alone, or None.
        likes: Number of liked examples.
        unlikes: Number of unliked examples.
    """

    query: Query
    weighing: Weighing
    text: Query | None
    likes: int
    unlikes: int


def ask(studio: Studio, request: SearchRequest) -> Asked:
    """Return the query of a request, with its weights.

    Raises:
        SearchError: An example does not exist, or the query is empty.
        VideoError: An uploaded video cannot be decoded.
    """
    words = request.text.strip()
    text = _text_query(studio, words) if words else None
    like, unlike = (
        [_example_query(studio, example) for example in examples]
        for examples in (request.like, request.unlike)
    )
    query = refine([*([text] if text else []), *like], unlike)
    weighing = (
        Weighing(request.weights or None, "you")
        if request.weights is not None
        else weigh(studio, query, like, unlike, has_text=text is not None)
    )
    return Asked(query, weighing, text, len(like), len(unlike))


def scale_of(studio: Studio, asked: Asked) -> SimilarityScale | None:
    """Return the scale of the similarities of a query, cached by its form."""
    weights = asked.weighing.weights
    sample = studio.cached(
        "sample", lambda: sample_moments(studio.index, ids=studio.shuffled_ids())
    )
    text = None if asked.text is None else asked.text.vectors.tobytes()
    form = ("scale", asked.likes, asked.unlikes, text, weights and tuple(weights.items()))

    def make() -> SimilarityScale | None:
        examples = {"likes": asked.likes, "unlikes": asked.unlikes}
        return similarity_scale(sample, **examples, text=asked.text, weights=weights)

    return studio.cached(form, make)


def _text_query(studio: Studio, text: str) -> Query:
    if not studio.index.has_text:
        raise SearchError(no_text_message(studio.index))
    embed = partial(studio.worker.call, embed_text, studio.index.path, text)
    return text_query(studio.index.parts, studio.cached(("text", text), embed))


def _example_query(studio: Studio, example: QueryExample) -> Query:
    if example.moment is not None:
        return query_from_moments(studio.index, [example.moment])
    if example.video is not None:
        span = {"start_seconds": example.start, "end_seconds": example.end}
        return query_from_range(studio.index, example.video, **span)
    if example.upload is None:
        raise SearchError("An example needs a moment, a video or an upload.")
    video = studio.uploads.get(example.upload).video
    end = min(example.end, video.end_seconds)
    embed = partial(studio.worker.call, embed_upload, studio.index.path, video, example.start, end)
    vectors = studio.cached(("upload", example.upload, example.start, end), embed)
    return Query(vectors, parts=studio.index.parts)


def _search_exactly(
    studio: Studio, query: Query, ids: MomentIds, *, k: int, weights: Weights | None
) -> list[Hit]:
    ids = np.sort(ids[~np.isin(ids, query.moments)])
    scaled = Query(query.direction[None], parts=query.parts).scaled(weights)
    best = NearestRows.none_yet(1)
    for start in range(0, len(ids), COMPARED_AT_A_TIME):
        part = ids[start : start + COMPARED_AT_A_TIME]
        best = merge_nearest(best, scaled @ studio.index.vectors(part).T, part, k=k)
    moments = studio.index.moments(best.indices[0])
    scores = best.similarities[0].tolist()
    return [make_hit(s, m, m.end_seconds) for s, m in zip(scores, moments, strict=True)]


def _moments_in_lasso(studio: Studio, lasso: list[tuple[float, float]]) -> MomentIds:
    if (moment_map := studio.current_map()) is None:
        raise SearchError("The map is not ready. Draw the lasso again when it is.")
    key = ("lasso", moment_map.generation, tuple(lasso))  # each page of the moments asks again
    return studio.cached(key, lambda: moment_map.inside(lasso))
