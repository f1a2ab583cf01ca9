"""Agglomerative clustering, for a chosen number of clusters."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.clustering.scikit_learn import MAX_POINTS, directions, require_affordable
from slic.errors import TrainingError


@dataclass(frozen=True)
class Agglomerative:
    """Agglomerative clustering by scikit-learn: merge the two nearest clusters again and again.

    Distances are cosine distances. Memory and time are O(n^2).

    Args:
        clusters: Number of clusters, at least 1.
        linkage: Distance of two clusters: the mean (``"average"``), largest (``"complete"``) or
            smallest (``"single"``) distance of their points. ``"ward"`` is the growth of the
            variance, in which squared distances of unit vectors are twice cosine distances.
        max_points: Most embeddings that are clustered. Distances of 20,000 take 3.2 GB.

    Raises:
        RecipeError: An argument is out of range.

    Example:
        >>> Agglomerative(clusters=10)(np.random.rand(100, 8), seed=0).clusters
        10
    """

    clusters: int = 100
    linkage: Literal["average", "complete", "single", "ward"] = "average"
    max_points: int = MAX_POINTS

    def __post_init__(self) -> None:
        for name in ("clusters", "max_points"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")

    def __str__(self) -> str:
        """Return the name used in tables."""
        return f"agglomerative {self.clusters}, {self.linkage}"

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int = 0) -> PseudoLabels:  # noqa: ARG002
        """Cluster the rows by direction; nothing is random.

        Args:
            x: Embeddings; only their directions count.
            seed: Not used.

        Raises:
            TrainingError: Fewer embeddings than ``clusters``, or more than ``max_points``.
            EmbeddingsError: Values that are not finite.
        """
        from sklearn import cluster

        n, k = len(x), self.clusters
        require_affordable(n, max_points=self.max_points, name="agglomerative clustering")
        if k > n:
            raise TrainingError(
                f"{k} clusters of {n} embeddings: choose between 1 and {n} clusters."
            )
        if k == n:  # scikit-learn refuses a single point
            return PseudoLabels(np.arange(n))
        metric = "euclidean" if self.linkage == "ward" else "cosine"
        model = cluster.AgglomerativeClustering(k, metric=metric, linkage=self.linkage)
        return PseudoLabels(model.fit(directions(x)).labels_)
