"""Spherical k-means, for a chosen number of clusters."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.errors import TrainingError
from slic.neighbours.exact import nearest_rows
from slic.neighbours.rows import mean_directions, unit_rows


@dataclass(frozen=True)
class KMeans:
    """Spherical k-means: every point belongs to the cluster whose mean direction is nearest.

    Seeded as k-means++ (Arthur and Vassilvitskii, SODA 2007) on the cosine distance. A cluster that
    becomes empty takes the point farthest from its centre. Fewer distinct directions than
    ``clusters`` give fewer clusters. Memory is O(n * d).

    Args:
        clusters: Number of clusters, at least 1.
        iterations: Largest number of assignment steps, at least 1. It ends earlier when no label
            changes.

    Raises:
        RecipeError: An argument is out of range.

    Example:
        >>> KMeans(clusters=10)(np.random.rand(100, 8), seed=0).clusters
        10
    """

    clusters: int = 100
    iterations: int = 50

    def __post_init__(self) -> None:
        for name, value in (("clusters", self.clusters), ("iterations", self.iterations)):
            require(value >= 1, name, value, "at least 1")

    def __str__(self) -> str:
        """Return the name used in tables."""
        return f"k-means {self.clusters}"

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int) -> PseudoLabels:
        """Cluster the rows by direction.

        Args:
            x: Embeddings; only their directions count.
            seed: Seed of the initial centres.

        Raises:
            TrainingError: Fewer embeddings than ``clusters``.
            EmbeddingsError: Values that are not finite.
        """
        if self.clusters > len(x):
            raise TrainingError(
                f"{self.clusters} clusters of {len(x)} embeddings: "
                f"choose between 1 and {len(x)} clusters."
            )
        unit, k = unit_rows(x), self.clusters
        centres = unit[_seeds(unit, k, np.random.default_rng(seed))]
        labels, distance = _nearest_centres(unit, centres)
        for _ in range(self.iterations):
            centres = mean_directions(unit, _fill_empty(labels, distance, k), k=k)
            previous = labels
            labels, distance = _nearest_centres(unit, centres)
            if np.array_equal(labels, previous):
                break
        return PseudoLabels(np.unique(labels, return_inverse=True)[1])


def _seeds(
    unit: Float32[np.ndarray, "n d"], k: int, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Draw ``k`` rows one by one, with probability proportional to the distance to the drawn."""
    seeds = [int(rng.integers(len(unit)))]
    distance = np.full(len(unit), np.inf)
    while len(seeds) < k:
        distance = np.minimum(distance, 1.0 - unit @ unit[seeds[-1]])
        distance[seeds] = 0.0
        chance = np.maximum(distance, 0.0).astype(np.float64)
        if chance.sum() == 0.0:  # every other row equals one of the seeds
            chance = np.where(np.isin(np.arange(len(unit)), seeds), 0.0, 1.0)
        seeds.append(int(rng.choice(len(unit), p=chance / chance.sum())))
    return np.array(seeds)


def _nearest_centres(
    unit: Float32[np.ndarray, "n d"], centres: Float32[np.ndarray, "k d"]
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return the nearest centre of every row, and the cosine distance to it."""
    found = nearest_rows(unit, centres, 1)
    return found.indices[:, 0], 1.0 - found.similarities[:, 0]


def _fill_empty(
    labels: Int[np.ndarray, " n"], distance: Float32[np.ndarray, " n"], k: int
) -> Int[np.ndarray, " n"]:
    """Move the farthest points to the empty clusters, but never the only point of a cluster."""
    labels, sizes = labels.copy(), np.bincount(labels, minlength=k)
    farthest = iter(np.argsort(-distance, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        point = next(point for point in farthest if sizes[labels[point]] > 1)
        sizes[labels[point]] -= 1
        labels[point], sizes[empty] = empty, 1
    return labels
