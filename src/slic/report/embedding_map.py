"""A plane picture of the embeddings: neighbours stay neighbours, distances mean little."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from slic.videos.thumbnails import Filmstrip

MOST_POINTS = 2000
MOST_STRIPS = 600  # about 4 kB each


@dataclass(frozen=True, kw_only=True)
class EmbeddingMap:
    """Points of the map.

    Attributes:
        position: Between 0 and 1, y upwards.
        names: Video ids.
        labels: True labels, or whatever else should give the colour.
        queries: Which points are queries (test); they are drawn larger than the gallery.
        strips: A moving thumbnail for each point, or none at all.
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
    """Project the embeddings (PCA, then t-SNE) and gather what the map shows of each video.

    Of more than 2000 videos every so-many-th is shown; of more than 600 none has a thumbnail.
    """
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_POINTS)).round())
    kept = chosen.astype(np.int64).tolist()
    strips: tuple[Filmstrip | None, ...] = ()
    if strip_of is not None and len(kept) <= MOST_STRIPS:
        with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
            strips = tuple(pool.map(strip_of, [names[i] for i in kept]))
    return EmbeddingMap(
        position=project(embeddings[kept], seed=seed),
        names=tuple(names[i] for i in kept),
        labels=tuple(labels[i] for i in kept),
        queries=tuple(bool(queries[i]) if queries is not None else False for i in kept),
        strips=strips,
    )


def project(x: Float[np.ndarray, "n d"], *, seed: int = 0) -> Float32[np.ndarray, "n 2"]:
    """Return places between 0 and 1; videos with a great cosine similarity lie close together.

    The same input and seed give the same map. Fewer than 8 points, or points that are all alike,
    are placed by PCA alone.
    """
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    unit = unit.astype(np.float64) - unit.mean(axis=0)
    spread = np.abs(unit).max(initial=0.0) > 1e-6
    if not spread or min(unit.shape) < 2:
        return np.full((len(x), 2), 0.5, dtype=np.float32)
    plane = PCA(min(50, *unit.shape), svd_solver="full", random_state=seed).fit_transform(unit)
    if len(x) >= 8:
        start = 1e-4 * plane[:, :2] / plane[:, 0].std()
        perplexity = min(30.0, (len(x) - 1) / 3)
        tsne = TSNE(init=start, perplexity=perplexity, random_state=seed)
        with threadpool_limits(1):  # on a busy machine its threads wait for each other, 20 x longer
            plane = tsne.fit_transform(plane)
    low, high = plane[:, :2].min(axis=0), plane[:, :2].max(axis=0)
    return np.asarray((plane[:, :2] - low) / np.maximum(high - low, 1e-9), dtype=np.float32)
