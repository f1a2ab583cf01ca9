"""Projection of embeddings to the plane, for maps in which neighbours stay neighbours.

PCA, then t-SNE (van der Maaten and Hinton, JMLR 2008) of a sample. Every other point is placed
between its nearest neighbours in the sample, so time grows with the number of points, not with its
square.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from slic.neighbours.rows import unit_rows

MAX_TSNE_POINTS = 3000
MIN_TSNE_POINTS = 8  # fewer are placed by PCA
PCA_COMPONENTS = 50
PLACED_ROWS_PER_BLOCK = 8192
NEIGHBOURS_IN_SAMPLE = 4
JITTER = 0.5  # of the gap between sampled points, so that the other points fill it
REACH = 0.05  # of the map; a neighbour farther from the nearest one has no weight

_Reduced = Float64[np.ndarray, "n d"]  # embeddings after PCA
_Positions = Float64[np.ndarray, "n 2"]


def project_to_plane(
    x: Float[np.ndarray, "n d"], *, sample: int = MAX_TSNE_POINTS, seed: int = 0
) -> Float32[np.ndarray, "n 2"]:
    """Return positions in the unit square; points of high cosine similarity lie close together.

    Distances between groups mean little. The same input and seed give the same map. If all points
    are equal, all are placed in the middle.

    Args:
        x: Embeddings; only their directions count.
        sample: Largest number of points that t-SNE places.
        seed: Seed of the sample, of t-SNE and of the jitter.

    Returns:
        Positions in [0, 1], y upwards.

    Raises:
        EmbeddingsError: Values that are not finite.

    Example:
        >>> project_to_plane(embeddings.mean).shape
        (1200, 2)
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(x))[:sample])
    unit = unit_rows(x[chosen]).astype(np.float64)
    if min(unit.shape) < 2 or np.ptp(unit, axis=0).max() < 1e-6:
        return np.full((len(x), 2), 0.5, dtype=np.float32)
    components = min(PCA_COMPONENTS, *unit.shape)
    pca = PCA(components, svd_solver="full", random_state=seed).fit(unit)
    reduced = pca.transform(unit)
    positions = np.empty((len(x), 2))
    positions[chosen] = _embed_sample(reduced, seed=seed)
    others = np.setdiff1d(np.arange(len(x)), chosen)
    if len(others):
        placed = _PlacedSample(reduced, positions[chosen])
        for start in range(0, len(others), PLACED_ROWS_PER_BLOCK):
            block = others[start : start + PLACED_ROWS_PER_BLOCK]
            positions[block] = placed.place(pca.transform(unit_rows(x[block])), rng)
    low, high = positions.min(axis=0), positions.max(axis=0)
    return np.asarray((positions - low) / np.maximum(high - low, 1e-9), dtype=np.float32)


def _embed_sample(reduced: _Reduced, *, seed: int) -> Float[np.ndarray, "n 2"]:
    """Return positions by PCA if the points are few, and else by t-SNE that starts from these."""
    plane = reduced[:, :2]
    if len(reduced) < MIN_TSNE_POINTS:
        return plane
    start = 1e-4 * plane / max(float(plane[:, 0].std()), 1e-12)
    perplexity = min(30.0, (len(reduced) - 1) / 3)
    tsne = TSNE(init=start, perplexity=perplexity, random_state=seed)
    with threadpool_limits(1):  # on a busy machine its threads wait for each other, 20 x longer
        return np.asarray(tsne.fit_transform(reduced))


class _PlacedSample:
    """Sampled points with their positions, between which other points are placed."""

    def __init__(self, reduced: _Reduced, positions: _Positions) -> None:
        k = min(NEIGHBOURS_IN_SAMPLE, len(reduced))
        self.positions = positions
        self._search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(reduced)
        gaps, _ = NearestNeighbors(n_neighbors=k).fit(positions).kneighbors(positions)
        self._gap = gaps[:, -1]
        self._reach = REACH * float(np.ptp(positions, axis=0).max())

    def place(self, reduced: _Reduced, rng: np.random.Generator) -> _Positions:
        """Return the weighted mean position of the nearest sampled points, with jitter."""
        distance, near = self._search.kneighbors(reduced)
        weight = np.where(self._close(near), 1.0 / (distance**2 + 1e-6), 0.0)
        weight /= weight.sum(axis=1, keepdims=True)
        middle = np.einsum("nk,nkc->nc", weight, self.positions[near])
        noise = rng.standard_normal((len(reduced), 2)) * (JITTER * self._gap[near[:, 0]])[:, None]
        return np.asarray(middle + noise)

    def _close(self, near: Int64[np.ndarray, "n k"]) -> Bool[np.ndarray, "n k"]:
        """Return which neighbours are near the first one on the map.

        A far one would pull the point into empty space.
        """
        offset = self.positions[near] - self.positions[near[:, :1]]
        close: Bool[np.ndarray, "n k"] = np.linalg.norm(offset, axis=2) <= self._reach
        return close
