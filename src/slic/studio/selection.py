"""From a request to moments: those in a scope, and those nearest to a query."""

from functools import partial
from typing import NamedTuple

import numpy as np

from slic.errors import SearchError
from slic.search import (
    Hit,
    Query,
    choose_weights,
    cluster_members,
    query_from_moments,
    refine,
    search,
)
from slic.search.parts import Weights
from slic.search.query import no_text_message, text_query
from slic.search.results import make_hit
from slic.search.weighting import AUTOMATIC_LIKES
from slic.studio.embedding import embed_text, embed_upload
from slic.studio.projection import MomentIds
from slic.studio.requests import MomentScope, QueryExample, SearchRequest
from slic.studio.state import Studio

MAX_EXACT_SEARCH_MOMENTS = 200_000


class Found(NamedTuple):
    """The answer to a search.

    Attributes:
        hits: The nearest moments, best first.
        weights: Weights of the parts that the likes have set; None if they did not.
    """

    hits: list[Hit]
    weights: dict[str, float] | None


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
    compared with each of its moments.

    Raises:
        SearchError: An example or the scope does not exist, or the query is empty.
        VideoError: An uploaded video cannot be decoded.
    """
    text = request.text.strip()
    like, unlike = (
        [_example_query(studio, example) for example in examples]
        for examples in (request.like, request.unlike)
    )
    query = refine([*([_text_query(studio, text)] if text else []), *like], unlike)
    by_likes = request.weights is None and _may_set_weights(studio, request)
    chosen = (
        choose_weights(studio.index, like, unlike, ids=studio.shuffled_ids()) if by_likes else None
    )
    scope, weights = request.scope, request.weights or chosen
    if not scope.lasso and scope.cluster is None:
        where = scope.where.strip() or None
        return Found(search(studio.index, query, k=request.k, where=where, weights=weights), chosen)
    ids = select_moments(studio, scope)
    return Found(_search_exactly(studio, query, ids, k=request.k, weights=weights), chosen)


def _may_set_weights(studio: Studio, request: SearchRequest) -> bool:
    """Return whether the likes are enough to set the weights; beside a text, they are not used."""
    enough = len(request.like) >= AUTOMATIC_LIKES and len(studio.index.parts) > 1
    return enough and not request.text.strip()


def _text_query(studio: Studio, text: str) -> Query:
    if not studio.index.has_text:
        raise SearchError(no_text_message(studio.index))
    embed = partial(studio.worker.call, embed_text, studio.index.path, text)
    return text_query(studio.index.parts, studio.cached(("text", text), embed))


def _example_query(studio: Studio, example: QueryExample) -> Query:
    if example.moment is not None:
        return query_from_moments(studio.index, [example.moment])
    if example.upload is None:
        raise SearchError("An example needs a moment or an upload.")
    video = studio.uploads.get(example.upload).video
    end = min(example.end, video.end_seconds)
    embed = partial(studio.worker.call, embed_upload, studio.index.path, video, example.start, end)
    vectors = studio.cached(("upload", example.upload, example.start, end), embed)
    return Query(vectors, parts=studio.index.parts)


def _search_exactly(
    studio: Studio, query: Query, ids: MomentIds, *, k: int, weights: Weights | None
) -> list[Hit]:
    if len(ids) > MAX_EXACT_SEARCH_MOMENTS:
        raise SearchError(
            f"The lasso or cluster has {len(ids)} moments; "
            f"at most {MAX_EXACT_SEARCH_MOMENTS} can be searched. Choose fewer."
        )
    ids = ids[~np.isin(ids, query.moments)]
    (scaled,) = Query(query.direction[None], parts=query.parts).scaled(weights)
    similarity = studio.index.vectors(ids) @ scaled
    best = np.argsort(-similarity, kind="stable")[:k]
    moments = studio.index.moments(ids[best].tolist())
    scores = similarity[best].tolist()
    return [make_hit(s, m, m.end_seconds) for s, m in zip(scores, moments, strict=True)]


def _moments_in_lasso(studio: Studio, lasso: list[tuple[float, float]]) -> MomentIds:
    if (moment_map := studio.current_map()) is None:
        raise SearchError("The map is not ready. Draw the lasso again when it is.")
    return moment_map.inside(lasso)
