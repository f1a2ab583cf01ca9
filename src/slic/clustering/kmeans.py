"""Spherical k-means, the alternative to FINCH when the number of clusters is to be chosen."""

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.errors import TrainingError
from slic.neighbours.rows import directions, mean_directions, nearest_centres


def spherical_kmeans(
    x: Float[np.ndarray, "n d"], k: int, *, seed: int, iterations: int = 50
) -> Int[np.ndarray, " n"]:
    """Return labels 0..k-1 of ``k`` clusters whose points are nearest in cosine to their mean.

    Seeded as k-means++ on the cosine distance. A cluster that becomes empty is given the point
    farthest from its centre. Points with fewer than ``k`` directions make fewer clusters. Ends
    when no label changes, or after ``iterations``. Memory is O(n·d).

    Raises:
        TrainingError: ``k`` is not in 1..n, or values that are not finite.
    """
    if not 1 <= k <= len(x):
        raise TrainingError(
            f"{k} clusters of {len(x)} embeddings: choose between 1 and {len(x)} clusters."
        )
    unit = directions(x)
    centres = unit[_seeds(unit, k, np.random.default_rng(seed))]
    labels, distance = nearest_centres(unit, centres)
    for _ in range(iterations):
        centres = mean_directions(unit, _fill_empty(labels, distance, k), k=k)
        previous = labels
        labels, distance = nearest_centres(unit, centres)
        if np.array_equal(labels, previous):
            break
    compact: Int[np.ndarray, " n"] = np.unique(labels, return_inverse=True)[1]
    return compact


def _seeds(
    unit: Float32[np.ndarray, "n d"], k: int, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Draw seeds one by one, in proportion to the distance from the seeds there are."""
    seeds = [int(rng.integers(len(unit)))]
    distance = np.full(len(unit), np.inf)
    while len(seeds) < k:
        distance = np.minimum(distance, 1.0 - unit @ unit[seeds[-1]])
        distance[seeds] = 0.0
        chance = np.maximum(distance, 0.0).astype(np.float64)
        if chance.sum() == 0.0:  # only copies of the seeds are left
            chance = np.where(np.isin(np.arange(len(unit)), seeds), 0.0, 1.0)
        seeds.append(int(rng.choice(len(unit), p=chance / chance.sum())))
    return np.array(seeds)


def _fill_empty(
    labels: Int[np.ndarray, " n"], distance: Float32[np.ndarray, " n"], k: int
) -> Int[np.ndarray, " n"]:
    """Move the farthest points into the empty clusters, never the last point of a cluster."""
    labels, sizes = labels.copy(), np.bincount(labels, minlength=k)
    farthest = iter(np.argsort(-distance, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        point = next(point for point in farthest if sizes[labels[point]] > 1)
        sizes[labels[point]] -= 1
        labels[point], sizes[empty] = empty, 1
    return labels
