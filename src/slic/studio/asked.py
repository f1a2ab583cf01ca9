"""What the page may ask, checked by their types, and which moments that means."""

import math
from typing import Annotated

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import BaseModel, ConfigDict, Field

from slic.errors import SearchError
from slic.search import (
    Hit,
    Query,
    cluster_members,
    query_from_moments,
    refine,
    search,
)
from slic.studio.embedding import embed_clip
from slic.studio.state import Studio

MOST_RANKED = 200_000  # moments of a lasso or cluster that a query is compared with, exactly
MOST_NAMED = 100_000
Number = Annotated[int, Field(ge=0, lt=2**63)]  # what the database counts with
Share = Annotated[float, Field(ge=-1, le=2)]


class Asked(BaseModel):
    """A request's body: nothing unknown, no number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ClusterOf(Asked):
    """A cluster of a level."""

    level: Number
    id: Number


class Within(Asked):
    """Which moments are looked at: those that pass all that is given."""

    where: str = Field(default="", max_length=2000)
    lasso: list[tuple[Share, Share]] = Field(default=[], max_length=2000)
    cluster: ClusterOf | None = None


class Example(Asked):
    """A moment of the index, or a part of a clip that was sent."""

    moment: Number | None = None
    upload: str | None = Field(default=None, max_length=64)
    start: float = Field(default=0.0, ge=0)
    end: float = Field(default=math.inf, gt=0, allow_inf_nan=True)


class SearchAsked(Asked):
    """A search by likes and unlikes."""

    like: list[Example] = Field(min_length=1, max_length=500)
    unlike: list[Example] = Field(default=[], max_length=500)
    within: Within = Within()
    k: int = Field(default=48, ge=1, le=1000)


class BrowseAsked(Asked):
    """A page of the moments themselves."""

    within: Within = Within()
    offset: Number = 0
    limit: int = Field(default=48, ge=1, le=500)


class NameAsked(Asked):
    """A name for moments, or for all within a lasso, cluster or filter; None takes it away."""

    moments: list[Number] = Field(default=[], max_length=MOST_NAMED)
    within: Within | None = None
    name: str | None = Field(default=None, max_length=400)


class UndoAsked(Asked):
    """The change of names to take back, where it is still the last; None is whichever is."""

    batch: Number | None = None


def chosen(studio: Studio, within: Within) -> Int64[np.ndarray, " n"]:
    """Return the moments within, in the order in which they are shown.

    Raises:
        SearchError: A filter that is none, no such cluster, or no map yet for the lasso.
    """
    if within.cluster is not None:
        cluster = within.cluster
        ids = studio.remembered(
            ("members", cluster.level, cluster.id),
            lambda: cluster_members(studio.index, cluster.id, level=cluster.level),
        )
    else:
        ids = studio.mixed_ids()
    if within.lasso:
        ids = ids[np.isin(ids, _inside(studio, within.lasso))]
    if where := within.where.strip():
        ids = ids[np.isin(ids, studio.index.matching(where))]
    return ids


def found(studio: Studio, asked: SearchAsked) -> list[Hit]:
    """Return the nearest moments to what is liked, away from what is unliked.

    Raises:
        SearchError: Something asked for is not there (any more), or the query is empty.
        VideoError: The clip does not decode.
    """
    query = refine(
        [_query(studio, example) for example in asked.like],
        [_query(studio, example) for example in asked.unlike],
    )
    within = asked.within
    if not within.lasso and within.cluster is None:
        return search(studio.index, query, k=asked.k, where=within.where.strip() or None)
    return _ranked(studio, query, chosen(studio, within), k=asked.k)


def _query(studio: Studio, example: Example) -> Query:
    if example.moment is not None:
        return query_from_moments(studio.index, [example.moment])
    if example.upload is None:
        raise SearchError("Nothing to look for was given.")
    video = studio.uploads.get(example.upload).video
    end = min(example.end, video.end_seconds)
    key = ("clip", example.upload, example.start, end)

    def embedded() -> Float32[np.ndarray, "w d"]:
        return studio.worker.call(embed_clip, studio.index.path, video, example.start, end)

    return Query(studio.remembered(key, embedded))


def _ranked(studio: Studio, query: Query, ids: Int64[np.ndarray, " n"], *, k: int) -> list[Hit]:
    """Compare a query with few enough moments one by one."""
    if len(ids) > MOST_RANKED:
        raise SearchError(f"{len(ids)} moments are chosen; choose at most {MOST_RANKED} to search.")
    ids = ids[~np.isin(ids, query.moments)]
    similarity = studio.index.vectors(ids) @ query.direction
    best = np.argsort(-similarity, kind="stable")[:k]
    moments = studio.index.moments(ids[best].tolist())
    return [
        Hit(
            video_id=moment.video_id,
            path=moment.path,
            start_seconds=moment.start_seconds,
            end_seconds=moment.end_seconds,
            score=score,
            moment_id=moment.id,
            best_start_seconds=moment.start_seconds,
            best_end_seconds=moment.end_seconds,
            name=moment.name,
        )
        for moment, score in zip(moments, similarity[best].tolist(), strict=True)
    ]


def _inside(studio: Studio, lasso: list[tuple[float, float]]) -> Int64[np.ndarray, " n"]:
    drawn = studio.map()
    if drawn is None:
        raise SearchError("The map is still being made; draw the lasso when it is there.")
    return drawn.inside(lasso)
