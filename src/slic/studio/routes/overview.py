"""Routes for what the index holds as a whole: its summary, clusters and runs."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from slic.search import Cluster, clusters_per_level, labels_of_moments, list_clusters
from slic.search.about import encoder_name
from slic.search.repository.videos import count_videos
from slic.studio.routes.common import CurrentStudio, OptionalLevel, describe_moments
from slic.studio.runs import describe_run, find_runs
from slic.studio.state import Studio

router = APIRouter(prefix="/api")
MAX_CLUSTERS_SHOWN = 400


@router.get("/summary")
def get_summary(studio: CurrentStudio) -> dict[str, Any]:
    """Return what the index holds, and what this studio offers.

    Returns:
        ``levels``: numbers of clusters, the finest level first. ``level``: the level that the index
        shows. ``labels``: all labels with their numbers of moments, the most frequent first.
        ``runs``: whether there is a folder of runs. ``parts``: names of the parts of a vector.
        ``weights``: their weights, or None for equal ones. ``text``: whether the index can be
        searched by text. ``compared``: of both indexes, title and name of the encoder; None if no
        index is compared. ``indexing``: see `get_indexing`.
    """
    index = studio.index
    levels = clusters_per_level(index)
    return {
        "title": studio.title,
        "videos": index.database.read(count_videos),
        "moments": index.count,
        "levels": levels,
        "level": index.level if levels else None,
        "labels": count_labels(studio),
        "max_upload_bytes": studio.uploads.max_bytes,
        "runs": studio.runs is not None,
        "parts": list(index.parts),
        "weights": studio.weights,
        "text": index.has_text,
        "compared": _describe_compared(studio),
        "indexing": _describe_indexing(studio),
    }


def _describe_compared(studio: Studio) -> list[dict[str, str]] | None:
    if studio.compared is None:
        return None
    return [
        {"title": one.title, "encoder": encoder_name(one.index)}
        for one in (studio, studio.compared)
    ]


@router.get("/indexing")
def get_indexing(studio: CurrentStudio) -> dict[str, Any]:
    """Return how far indexing is, and the numbers of videos and moments so far.

    Returns:
        ``indexing``: the fields of `IndexingProgress`, ``running`` and ``seconds_left``; None if
        this studio does not index.
    """
    index = studio.index
    videos = index.database.read(count_videos)
    return {"videos": videos, "moments": index.count, "indexing": _describe_indexing(studio)}


def _describe_indexing(studio: Studio) -> dict[str, Any] | None:
    if studio.indexing is None:
        return None
    progress = studio.indexing.progress
    return asdict(progress) | {
        "running": progress.running,
        "seconds_left": progress.seconds_left,
    }


@router.get("/clusters")
def get_clusters(studio: CurrentStudio, level: OptionalLevel = None) -> dict[str, Any]:
    """Return the largest clusters of a level, each with its medoid.

    Args:
        studio: The studio.
        level: 0 is the finest; None is the level that the index shows.

    Returns:
        ``clusters``: at most `MAX_CLUSTERS_SHOWN`, the largest first. ``total``: how many there
        are.
    """
    levels = clusters_per_level(studio.index)
    if not levels:
        return {"levels": [], "level": None, "clusters": [], "total": 0}
    clusters = cached_clusters(studio, level)
    largest = clusters[:MAX_CLUSTERS_SHOWN]
    moments = studio.index.moments([cluster.medoid for cluster in largest])
    medoids = describe_moments(studio, moments)
    return {
        "levels": levels,
        "level": largest[0].level,
        "total": len(clusters),
        "clusters": [
            asdict(cluster) | {"medoid": medoid}
            for cluster, medoid in zip(largest, medoids, strict=True)
        ],
    }


@router.get("/runs")
def get_runs(studio: CurrentStudio) -> dict[str, Any]:
    """Return the pretraining runs with their curves."""
    folder = studio.runs
    return {"runs": [describe_run(folder, run) for run in find_runs(folder)] if folder else []}


def cached_clusters(studio: Studio, level: int | None) -> list[Cluster]:
    """Return the clusters of a level, cached because millions of moments take minutes."""
    level = studio.index.level if level is None else level
    return studio.cached(("clusters", level), lambda: list_clusters(studio.index, level=level))


def count_labels(studio: Studio) -> list[dict[str, Any]]:
    """Return every label and its number of moments, the most frequent first."""

    def count() -> list[dict[str, Any]]:
        counts = Counter(label.label for label in labels_of_moments(studio.index).values())
        return [{"label": label, "moments": number} for label, number in counts.most_common()]

    return studio.cached("labels", count)
