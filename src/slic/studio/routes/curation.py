"""Routes for the view "Curate": near duplicates, copies and outliers.

What takes long runs in a process. Until it is finished, a route returns how far it is.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from slic.search import IndexedVideo, Survey, clusters_per_level
from slic.search.cluster_changes import last_cluster_change
from slic.search.repository.labels import select_labels_of_moments
from slic.search.repository.moments import select_times
from slic.studio.curation import (
    DUPLICATE_LABEL,
    MAX_OUTLIERS,
    MIN_THRESHOLD,
    Group,
    cluster_outliers,
    copies,
    groups_of_pairs,
    survey,
)
from slic.studio.routes.common import CurrentStudio, describe_moments
from slic.studio.state import Studio
from slic.studio.worker import Progress

router = APIRouter(prefix="/api/curation")
PAGE = 24
OUTLIER_PAGE = 60
MAX_MOMENTS_SHOWN = 12  # of a group
Offset = Annotated[int, Query(ge=0, le=10**9)]


@router.get("/duplicates")
def get_duplicates(
    studio: CurrentStudio,
    threshold: Annotated[float, Query(ge=MIN_THRESHOLD, le=1.0)] = 0.98,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Return groups of nearly equal moments of different content.

    Moments that have the label ``duplicate`` are left out, and groups with fewer than two others.

    Returns:
        ``groups``: a page of them, each with its ``similarity``, its number of moments in all, and
        the first ``moments``. ``total``: the number of groups. Or ``progress``: how far the search
        is.
    """
    found = _survey(studio)
    if isinstance(found, Progress):
        return {"progress": found._asdict()}
    groups = studio.cached(
        ("duplicates", threshold), lambda: _groups_to_show(studio, found, threshold)
    )
    return {
        "total": len(groups),
        "groups": [_describe_group(studio, group) for group in groups[offset : offset + PAGE]],
    }


@router.get("/copies")
def get_copies(studio: CurrentStudio, offset: Offset = 0) -> dict[str, Any]:
    """Return groups of videos with the same content, each as its middle moment.

    Returns:
        The same as `get_duplicates`.
    """
    groups = studio.cached("copies", lambda: copies(studio.index.videos()))
    return {
        "total": len(groups),
        "groups": [_describe_copies(studio, same) for same in groups[offset : offset + PAGE]],
    }


@router.get("/outliers")
def get_outliers(
    studio: CurrentStudio,
    by: Literal["everything", "cluster"] = "everything",
    offset: Offset = 0,
) -> dict[str, Any]:
    """Return the moments that are least similar to their nearest moments, or to their cluster.

    Returns:
        ``moments``: a page of them, the least similar first, with the similarity as their score.
        ``total``: their number, at most `MAX_OUTLIERS`. Or ``progress``: how far the search is. Or
        ``unclustered``: there are no clusters.
    """
    if by == "cluster" and not clusters_per_level(studio.index):
        return {"unclustered": True}
    found = _survey(studio) if by == "everything" else _cluster_outliers(studio)
    if isinstance(found, Progress):
        return {"progress": found._asdict()}
    pairs = found.isolated if isinstance(found, Survey) else found
    pairs = pairs[:MAX_OUTLIERS]
    page = pairs[offset : offset + OUTLIER_PAGE]
    described = describe_moments(studio, studio.index.moments([moment for moment, _ in page]))
    scored = [tile | {"score": score} for tile, (_, score) in zip(described, page, strict=True)]
    return {"total": len(pairs), "moments": scored}


def _survey(studio: Studio) -> Survey | Progress:
    index, weights = studio.index, studio.weights
    key = ("survey", index.generation, weights and tuple(weights.items()))
    return studio.jobs.poll(key, survey, index.path, weights)


def _cluster_outliers(studio: Studio) -> list[tuple[int, float]] | Progress:
    index = studio.index
    state = (index.generation, clusters_per_level(index), last_cluster_change(index))
    return studio.jobs.poll(
        ("outliers", index.level, state), cluster_outliers, index.path, index.level
    )


def _groups_to_show(studio: Studio, found: Survey, threshold: float) -> list[Group]:
    """Return groups without copies, and without what is labelled a duplicate."""
    database = studio.index.database
    labels = database.read(select_labels_of_moments)
    times = database.read(select_times)
    content = {video.id: video.content_id for video in studio.index.videos()}
    content_of = {
        moment: content.get(video)
        for moment, video in zip(times.ids.tolist(), times.videos.tolist(), strict=True)
    }

    def counts(moment: int) -> bool:
        marked = moment in labels and labels[moment].label == DUPLICATE_LABEL
        return moment in content_of and not marked

    pairs = [
        pair
        for pair in found.duplicates
        if counts(pair.first)
        and counts(pair.second)
        and content_of[pair.first] != content_of[pair.second]
    ]
    return groups_of_pairs(pairs, threshold=threshold)


def _describe_group(studio: Studio, group: Group) -> dict[str, Any]:
    moments = studio.index.moments(group.moments[:MAX_MOMENTS_SHOWN])
    return {
        "similarity": group.similarity,
        "size": len(group.moments),
        "moments": describe_moments(studio, moments),
    }


def _describe_copies(studio: Studio, videos: Sequence[IndexedVideo]) -> dict[str, Any]:
    shown = videos[:MAX_MOMENTS_SHOWN]
    numbers = studio.index.moment_numbers([video.id for video in shown])
    middles = [list(own.values())[len(own) // 2] for video in shown if (own := numbers[video.id])]
    return {
        "similarity": 1.0,
        "size": len(videos),
        "moments": describe_moments(studio, studio.index.moments(middles)),
    }
