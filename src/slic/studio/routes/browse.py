"""The whole: what the index holds, its map, its clusters, the names, and the runs."""

import json
import struct
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from jaxtyping import UInt16
from starlette.responses import Response

from slic.errors import SearchError
from slic.search import (
    Cluster,
    assign_name,
    cluster_of,
    clusters_per_level,
    list_clusters,
    names_of_moments,
    undo,
)
from slic.studio.asked import NameAsked, UndoAsked, chosen
from slic.studio.projection import Map
from slic.studio.routes.common import Here, tiles
from slic.studio.runs import described, run_folders
from slic.studio.state import Studio

router = APIRouter(prefix="/api")
NO_COLOUR = 65535
MOST_CLUSTERS = 400
Level = Annotated[int | None, Query(ge=0)]


@router.get("/about")
def about(studio: Here) -> dict[str, Any]:
    """Return what the index holds, and what this studio offers."""
    index = studio.index
    levels = clusters_per_level(index)
    return {
        "title": studio.title,
        "videos": studio.remembered("videos", lambda: len(index.videos())),
        "moments": index.count,
        "window": index.settings.window_seconds,
        "levels": levels,
        "level": index.level if levels else None,
        "names": _name_counts(studio),
        "upload_bytes": studio.uploads.most_bytes,
        "runs": studio.runs is not None,
    }


@router.get("/map")
def map_points(studio: Here) -> Response:
    """Return ids and places of all moments, packed; 202 while the map is being made."""
    drawn = studio.map()
    if drawn is None:
        if problem := studio.map_problem():
            raise SearchError(problem)
        return Response(status_code=202)
    parts = (drawn.ids.astype("<u4"), drawn.places.astype("<u2"))
    return _packed({"count": len(drawn.ids), "generation": drawn.generation}, *parts)


@router.get("/map/colours")
def map_colours(
    studio: Here, by: Literal["name", "cluster"] = "name", level: Level = None
) -> Response:
    """Return a code for every moment of the map, in its order, and what the codes mean."""
    drawn = studio.map()
    if drawn is None:
        return Response(status_code=202)

    def made() -> Response:
        codes, legend = (
            _by_name(studio, drawn) if by == "name" else _by_cluster(studio, drawn, level)
        )
        return _packed({"legend": legend, "generation": drawn.generation}, codes.astype("<u2"))

    return studio.remembered(("colours", by, level, drawn.generation), made)


@router.get("/clusters")
def clusters(studio: Here, level: Level = None) -> dict[str, Any]:
    """Return the clusters of a level, the largest first, each with its medoid."""
    levels = clusters_per_level(studio.index)
    if not levels:
        return {"levels": [], "level": None, "clusters": [], "total": 0}
    found = _clusters(studio, level)
    shown = found[:MOST_CLUSTERS]
    medoids = tiles(studio, studio.index.moments([cluster.medoid for cluster in shown]))
    return {
        "levels": levels,
        "level": shown[0].level,
        "total": len(found),
        "clusters": [
            asdict(cluster) | {"medoid": tile} for cluster, tile in zip(shown, medoids, strict=True)
        ],
    }


@router.post("/names")
def name(asked: NameAsked, studio: Here) -> dict[str, Any]:
    """Name moments, or all within a lasso, cluster or filter, in one step that can be undone."""
    ids = asked.moments if asked.within is None else chosen(studio, asked.within).tolist()
    if not ids:
        raise SearchError("No moment is selected.")
    naming = assign_name(studio.index, ids, asked.name or None)
    return {"named": naming.moments, "batch": naming.batch}


@router.post("/undo")
def undo_last(asked: UndoAsked, studio: Here) -> dict[str, Any]:
    """Take the last naming back."""
    return {"undone": undo(studio.index, batch=asked.batch)}


@router.get("/runs")
def runs(studio: Here) -> dict[str, Any]:
    """Return the pretraining runs with their curves."""
    if studio.runs is None:
        return {"runs": []}
    folder = studio.runs
    return {"runs": [described(folder, i, run) for i, run in enumerate(run_folders(folder))]}


def _clusters(studio: Studio, level: int | None) -> list[Cluster]:
    """Return the clusters of a level; of millions of moments that takes a while, the first time."""
    level = studio.index.level if level is None else level
    return studio.remembered(("clusters", level), lambda: list_clusters(studio.index, level=level))


def _name_counts(studio: Studio) -> list[dict[str, Any]]:
    def counted() -> list[dict[str, Any]]:
        counts = Counter(named.name for named in names_of_moments(studio.index).values())
        return [{"name": name, "moments": count} for name, count in counts.most_common()]

    return studio.remembered("names", counted)


def _by_name(studio: Studio, drawn: Map) -> tuple[UInt16[np.ndarray, " n"], list[dict[str, Any]]]:
    named = names_of_moments(studio.index)
    legend = _name_counts(studio)[:NO_COLOUR]
    code = {entry["name"]: place for place, entry in enumerate(legend)}
    return _codes(drawn, {i: code.get(name.name, NO_COLOUR) for i, name in named.items()}), legend


def _by_cluster(
    studio: Studio, drawn: Map, level: int | None
) -> tuple[UInt16[np.ndarray, " n"], list[dict[str, Any]]]:
    """Return codes that count the clusters from the largest; those past the last code share it."""
    found = _clusters(studio, level)
    code = {cluster.id: min(place, NO_COLOUR - 1) for place, cluster in enumerate(found)}
    legend = [
        {"cluster": cluster.id, "name": cluster.name, "moments": cluster.size}
        for cluster in found[:MOST_CLUSTERS]
    ]
    assigned = cluster_of(studio.index, level=level)
    return _codes(drawn, {i: code.get(number, NO_COLOUR) for i, number in assigned.items()}), legend


def _codes(drawn: Map, code: dict[int, int]) -> UInt16[np.ndarray, " n"]:
    codes = [code.get(moment, NO_COLOUR) for moment in drawn.ids.tolist()]
    return np.array(codes, dtype=np.uint16)


def _packed(head: dict[str, Any], *arrays: np.ndarray) -> Response:
    """Return the length of a JSON text, the text, padded to 4 bytes, and the arrays."""
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I", len(text)) + text + b"".join(array.tobytes() for array in arrays)
    return Response(body, media_type="application/octet-stream")
