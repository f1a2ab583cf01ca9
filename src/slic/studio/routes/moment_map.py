"""Routes for the map of all moments: the points, and a colour for each."""

import json
import struct
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from jaxtyping import UInt16
from starlette.responses import Response

from slic.errors import SearchError
from slic.search import cluster_of, labels_of_moments
from slic.studio.projection import (
    MAX_PRELIMINARY_MOMENTS,
    MomentMap,
    make_preliminary_map,
    sample_of_map,
)
from slic.studio.routes.common import CurrentStudio, OptionalLevel
from slic.studio.routes.overview import MAX_CLUSTERS_SHOWN, cached_clusters, count_labels
from slic.studio.state import Studio

router = APIRouter(prefix="/api/map")
NO_COLOUR = 65535
MAX_SHOWN_POINTS = 300_000  # that a page draws; a lasso still holds all moments


@router.get("")
def get_map(studio: CurrentStudio, final: bool = False) -> Response:
    """Return the ids and positions of moments as binary data.

    Of more than `MAX_SHOWN_POINTS`, it is a random sample. While the map is computed, it is a
    preliminary one of all moments or of a sample.

    Args:
        studio: The studio.
        final: Return no preliminary map. The status is 202 until the map is computed.

    Returns:
        A JSON head with ``count``, ``total`` (moments of the index), ``generation`` and
        ``preliminary``, then the ids as uint32, then the positions as pairs of uint16: x and y from
        0 to 65535, y upwards.
    """
    if error := studio.take_map_error():
        raise SearchError(error)
    computed = _shown_map(studio)
    if computed is None and final:
        return Response(status_code=202)
    moment_map = computed or _preliminary_map(studio)
    head = {
        "count": len(moment_map.ids),
        "total": studio.index.count,
        "generation": moment_map.generation,
        "preliminary": computed is None,
    }
    return _binary_response(head, moment_map.ids.astype("<u4"), moment_map.positions.astype("<u2"))


@router.get("/colours")
def get_map_colours(
    studio: CurrentStudio,
    by: Literal["label", "cluster"] = "label",
    level: OptionalLevel = None,
    preliminary: bool = False,
) -> Response:
    """Return a colour code for every moment of a map, in its order.

    Args:
        studio: The studio.
        by: What gives the colours.
        level: Level of the clusters; None is the one that the index shows.
        preliminary: Whether the page shows the preliminary map.

    Returns:
        A JSON head with ``generation`` and ``legend``, whose entry i belongs to code i, then the
        codes as uint16. `NO_COLOUR` marks moments without a label or cluster. The status is 202
        while the map is computed.
    """
    moment_map = _preliminary_map(studio) if preliminary else _shown_map(studio)
    if moment_map is None:
        return Response(status_code=202)

    def make() -> Response:
        if by == "label":
            codes, legend = _label_codes(studio, moment_map)
        else:
            codes, legend = _cluster_codes(studio, moment_map, level)
        head = {"legend": legend, "generation": moment_map.generation}
        return _binary_response(head, codes.astype("<u2"))

    key = ("colours", by, level, moment_map.generation, preliminary, len(moment_map.ids))
    return studio.cached(key, make)


def _shown_map(studio: Studio) -> MomentMap | None:
    """Return what the page draws of the map, or None while the map is computed."""
    if (whole := studio.current_map()) is None:
        return None
    key = ("shown map", whole.generation, MAX_SHOWN_POINTS)
    return studio.cached(key, lambda: sample_of_map(whole, MAX_SHOWN_POINTS))


def _preliminary_map(studio: Studio) -> MomentMap:
    """Return the preliminary map, of the same moments for the same state of the index."""
    generation = studio.index.generation
    ids = studio.shuffled_ids()[:MAX_PRELIMINARY_MOMENTS]
    return studio.cached(
        ("preliminary map", generation),
        lambda: make_preliminary_map(
            studio.index, ids, generation=generation, weights=studio.weights
        ),
    )


def _label_codes(
    studio: Studio, moment_map: MomentMap
) -> tuple[UInt16[np.ndarray, " n"], list[dict[str, Any]]]:
    """Return codes that number the labels from the most frequent."""
    legend = count_labels(studio)[:NO_COLOUR]
    code = {entry["label"]: number for number, entry in enumerate(legend)}
    labels = labels_of_moments(studio.index)
    moment_codes = {i: code.get(label.label, NO_COLOUR) for i, label in labels.items()}
    return _codes_on_map(moment_map, moment_codes), legend


def _cluster_codes(
    studio: Studio, moment_map: MomentMap, level: int | None
) -> tuple[UInt16[np.ndarray, " n"], list[dict[str, Any]]]:
    """Return codes that number the clusters from the largest.

    Clusters beyond the last code share it.
    """
    clusters = cached_clusters(studio, level)
    code = {cluster.id: min(number, NO_COLOUR - 1) for number, cluster in enumerate(clusters)}
    legend = [
        {"cluster": cluster.id, "label": cluster.label, "moments": cluster.size}
        for cluster in clusters[:MAX_CLUSTERS_SHOWN]
    ]
    assigned = cluster_of(studio.index, level=level)
    moment_codes = {i: code.get(cluster, NO_COLOUR) for i, cluster in assigned.items()}
    return _codes_on_map(moment_map, moment_codes), legend


def _codes_on_map(moment_map: MomentMap, moment_codes: dict[int, int]) -> UInt16[np.ndarray, " n"]:
    codes = [moment_codes.get(moment, NO_COLOUR) for moment in moment_map.ids.tolist()]
    return np.array(codes, dtype=np.uint16)


def _binary_response(head: dict[str, Any], *arrays: np.ndarray) -> Response:
    """Return the length of a JSON text as uint32, the text, and the bytes of the arrays.

    The text is padded to a multiple of 4 bytes, because JavaScript's typed arrays need it.
    """
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I", len(text)) + text + b"".join(array.tobytes() for array in arrays)
    return Response(body, media_type="application/octet-stream")
