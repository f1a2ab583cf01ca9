"""Spherical k-means, for a chosen number of clusters."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.errors import TrainingError
from slic.neighbours.exact import nearest_rows
from slic.neighbours.rows import mean_directions, unit_rows

RESTART_TOLERANCE = 1e-3
"""A restart ends when the sum of distances falls by a smaller share; only the best goes on."""


@dataclass(frozen=True)
class KMeans:
    """Spherical k-means: every point belongs to the cluster whose mean direction is nearest.

    Seeded by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007) on the cosine distance: each
    step draws ``2 + log(clusters)`` candidates, as scikit-learn does, and keeps the one that lowers
    the sum of distances most. Of ``restarts`` seedings the one with the lowest sum is kept. A
    cluster that becomes empty takes the point farthest from its centre. Fewer distinct directions
    than ``clusters`` give fewer clusters. Memory is O(n * (d + log(clusters))).

    Args:
        clusters: Number of clusters, at least 1.
        iterations: Largest number of assignment steps per restart, at least 1. A restart ends
            earlier when the sum of distances falls by less than 0.1 %. The best restart then goes
            on for as many steps again, until no label changes.
        restarts: Number of seedings, at least 1. Time grows with it.

    Raises:
        RecipeError: An argument is out of range.

    Example:
        >>> KMeans(clusters=10)(np.random.rand(100, 8), seed=0).clusters
        10
    """

    clusters: int = 100
    iterations: int = 50
    restarts: int = 10

    def __post_init__(self) -> None:
        for name in ("clusters", "iterations", "restarts"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")

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
        unit, rng = unit_rows(x), np.random.default_rng(seed)
        best = min(
            (self._restart(unit, rng) for _ in range(self.restarts)), key=lambda one: one.total
        )
        best = _refined(unit, best, self.clusters, steps=self.iterations, tolerance=0.0)
        return PseudoLabels(np.unique(best.labels, return_inverse=True)[1])

    def _restart(self, unit: Float32[np.ndarray, "n d"], rng: np.random.Generator) -> "_Assignment":
        first = _nearest_centres(unit, unit[_seeds(unit, self.clusters, rng)])
        return _refined(
            unit, first, self.clusters, steps=self.iterations, tolerance=RESTART_TOLERANCE
        )


class _Assignment(NamedTuple):
    """The nearest centre of every row, and the cosine distance to it."""

    labels: Int64[np.ndarray, " n"]
    distance: Float32[np.ndarray, " n"]

    @property
    def total(self) -> float:
        return float(self.distance.sum(dtype=np.float64))


def _seeds(
    unit: Float32[np.ndarray, "n d"], k: int, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Return ``k`` rows, each the best of a few candidates drawn in proportion to their distance.

    The best candidate leaves the lowest sum of distances to the nearest seed.
    """
    candidates = 2 + int(math.log(k))
    seeds = [int(rng.integers(len(unit)))]
    distance = _distances_with(unit, np.array(seeds), np.full(len(unit), np.inf, np.float32))[0]
    while len(seeds) < k:
        chance = np.cumsum(distance, dtype=np.float64)
        if chance[-1] == 0.0:  # every other row equals one of the seeds
            others = np.setdiff1d(np.arange(len(unit)), seeds)
            return np.concatenate([seeds, others[: k - len(seeds)]])
        drawn = _draw(chance, candidates, rng)
        distances = _distances_with(unit, drawn, distance)
        best = int(distances.sum(axis=1, dtype=np.float64).argmin())
        distance = distances[best]
        seeds.append(int(drawn[best]))
    return np.array(seeds)


def _draw(
    cumulated: Float64[np.ndarray, " n"], count: int, rng: np.random.Generator
) -> Int64[np.ndarray, " {count}"]:
    """Draw positions, with replacement, in proportion to the steps of a cumulated sum."""
    places = np.searchsorted(cumulated, rng.random(count) * cumulated[-1], side="right")
    return np.asarray(np.minimum(places, len(cumulated) - 1))


def _distances_with(
    unit: Float32[np.ndarray, "n d"],
    candidates: Int[np.ndarray, " c"],
    distance: Float32[np.ndarray, " n"],
) -> Float32[np.ndarray, "c n"]:
    """Return the distance of every row to the nearest seed, if each candidate were one more."""
    distances: Float32[np.ndarray, "c n"] = 1.0 - unit[candidates] @ unit.T
    np.clip(distances, 0.0, distance, out=distances)
    distances[np.arange(len(candidates)), candidates] = 0.0
    return distances


def _refined(
    unit: Float32[np.ndarray, "n d"], start: _Assignment, k: int, *, steps: int, tolerance: float
) -> _Assignment:
    """Move the centres to the mean directions and assign again.

    It ends when no label changes, when the sum of distances falls by a share less than
    ``tolerance``, or after ``steps``.
    """
    now = start
    for _ in range(steps):
        filled = _fill_empty(now.labels, now.distance, k)
        before, now = now, _nearest_centres(unit, mean_directions(unit, filled, k=k))
        if np.array_equal(now.labels, before.labels):
            break
        if tolerance and now.total > (1 - tolerance) * before.total:
            break
    return now


def _nearest_centres(
    unit: Float32[np.ndarray, "n d"], centres: Float32[np.ndarray, "k d"]
) -> _Assignment:
    found = nearest_rows(unit, centres, 1)
    return _Assignment(found.indices[:, 0], 1.0 - found.similarities[:, 0])


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
