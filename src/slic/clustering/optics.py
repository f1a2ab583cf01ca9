"""OPTICS: clusters of different densities (Ankerst et al., SIGMOD 1999)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.clustering.scikit_learn import (
    MAX_POINTS,
    directions,
    noise_as_singletons,
    require_affordable,
)


@dataclass(frozen=True)
class OPTICS:
    """OPTICS by scikit-learn: clusters of different densities (Ankerst et al., SIGMOD 1999).

    It orders the points so that near ones follow each other, and cuts where the distance to the
    next point rises steeply. Noise points become clusters of their own. Distances are cosine
    distances. Time is O(n^2), 4 CPU-seconds for 2,000 points; memory is O(n).

    Args:
        min_samples: Points in the neighbourhood of a point, at least 2; also the smallest cluster.
        steepness: Relative change of the distance that starts or ends a cluster (``xi``), in
            (0, 1).
        max_points: Most embeddings that are clustered.

    Raises:
        RecipeError: An argument is out of range.

    Example:
        >>> OPTICS(min_samples=5)(x, seed=0).summary()
        {'clusters': 52, 'singletons': 38, 'largest': 20}
    """

    min_samples: int = 10
    steepness: float = 0.05
    max_points: int = MAX_POINTS

    def __post_init__(self) -> None:
        require(self.min_samples >= 2, "min_samples", self.min_samples, "at least 2")
        require(0 < self.steepness < 1, "steepness", self.steepness, "above 0 and below 1")
        require(self.max_points >= 1, "max_points", self.max_points, "at least 1")

    def __str__(self) -> str:
        """Return the name used in tables."""
        return f"OPTICS {self.min_samples} points"

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int = 0) -> PseudoLabels:  # noqa: ARG002
        """Cluster the rows by direction; nothing is random.

        Args:
            x: Embeddings; only their directions count. Fewer than ``min_samples`` are all noise.
            seed: Not used.

        Raises:
            TrainingError: More embeddings than ``max_points``.
            EmbeddingsError: Values that are not finite.
        """
        from sklearn import cluster

        require_affordable(len(x), max_points=self.max_points, name="OPTICS")
        unit = directions(x)
        if len(x) < self.min_samples:
            return PseudoLabels(np.arange(len(x)))
        model = cluster.OPTICS(min_samples=self.min_samples, metric="cosine", xi=self.steepness)
        with np.errstate(divide="ignore", invalid="ignore"):  # copies are at distance 0
            labels = model.fit(unit).labels_
        return noise_as_singletons(labels)
