"""DBSCAN: clusters are regions of high density (Ester et al., KDD 1996)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.clustering.scikit_learn import (
    MAX_POINTS,
    directions,
    noise_as_singletons,
    require_affordable,
)
from slic.neighbours.exact import nearest_rows


@dataclass(frozen=True)
class DBSCAN:
    """DBSCAN by scikit-learn: clusters are regions of high density (Ester et al., KDD 1996).

    A core point has ``min_samples`` points within ``epsilon``, itself included. Core points within
    ``epsilon`` of each other share a cluster. A point without a core point in reach is noise, and
    becomes a cluster of its own. Distances are cosine distances. Time is O(n^2), and so is memory
    if many points are within ``epsilon``.

    Args:
        epsilon: Largest distance of neighbours, in (0, 2]. None takes the median over all points of
            the distance at which a point becomes a core point, so that half of them are.
        min_samples: Points within ``epsilon`` of a core point, at least 1.
        max_points: Most embeddings that are clustered. All pairs of 20,000 take 3.2 GB.

    Raises:
        RecipeError: An argument is out of range.

    Example:
        >>> DBSCAN(epsilon=0.1)(x, seed=0).summary()
        {'clusters': 31, 'singletons': 12, 'largest': 40}
    """

    epsilon: float | None = None
    min_samples: int = 5
    max_points: int = MAX_POINTS

    def __post_init__(self) -> None:
        in_range = self.epsilon is None or 0 < self.epsilon <= 2
        require(in_range, "epsilon", self.epsilon, "above 0 and at most 2")
        for name in ("min_samples", "max_points"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")

    def __str__(self) -> str:
        """Return the name used in tables."""
        chosen = "" if self.epsilon is None else f" {self.epsilon:g},"
        return f"DBSCAN{chosen} {self.min_samples} points"

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int = 0) -> PseudoLabels:  # noqa: ARG002
        """Cluster the rows by direction; nothing is random.

        Args:
            x: Embeddings; only their directions count.
            seed: Not used.

        Raises:
            TrainingError: More embeddings than ``max_points``.
            EmbeddingsError: Values that are not finite.
        """
        from sklearn import cluster

        require_affordable(len(x), max_points=self.max_points, name="DBSCAN")
        unit = directions(x)
        epsilon = self._median_core_distance(unit) if self.epsilon is None else self.epsilon
        model = cluster.DBSCAN(eps=epsilon, min_samples=self.min_samples, metric="cosine")
        return noise_as_singletons(model.fit(unit).labels_)

    def _median_core_distance(self, unit: Float32[np.ndarray, "n d"]) -> float:
        farthest = nearest_rows(unit, unit, self.min_samples).similarities[:, -1]
        return max(1.0 - float(np.median(farthest)), 1e-6)  # scikit-learn refuses 0
