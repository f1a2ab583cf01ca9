"""The points of a map of embeddings: positions, labels and moving thumbnails."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from slic.report.projection import project_to_plane
from slic.videos.thumbnails import Filmstrip

MAX_MAP_POINTS = 2000
MAX_MAP_FILMSTRIPS = 600  # about 4 kB each


@dataclass(frozen=True, kw_only=True)
class EmbeddingMap:
    """Points of the map.

    Attributes:
        position: Positions in [0, 1], y upwards.
        names: Video ids.
        labels: True labels, or another class that decides the colour.
        queries: Which points are queries (test split); they are drawn larger than the gallery.
        strips: A moving thumbnail for each point; empty if the map has none.
    """

    position: Float32[np.ndarray, "n 2"]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    queries: tuple[bool, ...]
    strips: tuple[Filmstrip | None, ...] = ()


def embedding_map(
    embeddings: Float[np.ndarray, "n d"],
    names: Sequence[str],
    labels: Sequence[str],
    *,
    queries: Sequence[bool] | None = None,
    strip_of: Callable[[str], Filmstrip | None] | None = None,
    seed: int = 0,
) -> EmbeddingMap:
    """Project embeddings to the plane, and collect what the map shows of each video.

    Of more than ``MAX_MAP_POINTS`` videos, an evenly spaced selection is taken. A map of more than
    ``MAX_MAP_FILMSTRIPS`` points has no thumbnails.

    Args:
        embeddings: One row per video.
        names: Video ids.
        labels: Label of each video.
        queries: Which videos are queries; None is none.
        strip_of: Makes the thumbnail of a video id; called from several threads.
        seed: Seed of the projection.
    """
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MAX_MAP_POINTS)).round())
    kept = chosen.astype(np.int64).tolist()
    strips: tuple[Filmstrip | None, ...] = ()
    if strip_of is not None and len(kept) <= MAX_MAP_FILMSTRIPS:
        with ThreadPoolExecutor() as pool:  # decoding releases the global interpreter lock
            strips = tuple(pool.map(strip_of, [names[i] for i in kept]))
    return EmbeddingMap(
        position=project_to_plane(embeddings[kept], seed=seed),
        names=tuple(names[i] for i in kept),
        labels=tuple(labels[i] for i in kept),
        queries=tuple(bool(queries[i]) if queries is not None else False for i in kept),
        strips=strips,
    )
