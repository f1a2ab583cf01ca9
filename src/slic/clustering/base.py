"""PseudoLabels: which videos share a cluster until the next round."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from slic.clustering.agreement import adjusted_mutual_information
from slic.clustering.finch import finch
from slic.clustering.kmeans import spherical_kmeans

Method = Literal["finch", "kmeans", "none"]


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """The cluster of every video, by the video's position in the catalog.

    Attributes:
        labels: Clusters 0..k-1, all of them in use.
        partition: The level of FINCH's hierarchy they are, 0 the finest.
        neighbour_recall: The lowest recall, measured on a sample, of the first neighbours that
            FINCH made them from; None where all neighbours were searched exactly.
    """

    labels: Int[np.ndarray, " n"]
    partition: int = 0
    neighbour_recall: float | None = None

    def __post_init__(self) -> None:
        if len(self.labels) == 0 or self.labels.min() < 0 or not np.bincount(self.labels).all():
            raise ValueError("pseudo-labels are 0..k-1, every number used, of at least one video")

    @classmethod
    def from_embeddings(
        cls,
        x: Float[np.ndarray, "n d"],
        *,
        method: Method,
        partition: int = 0,
        clusters: int = 0,
        seed: int = 0,
    ) -> "PseudoLabels":
        """Cluster embeddings, one a video.

        Args:
            x: Embeddings; only their directions count, but for the means of FINCH.
            method: ``"finch"``, ``"kmeans"``, or ``"none"``: every video is its own cluster.
            partition: Which partition of FINCH, 0 the finest; the coarsest when there are fewer,
                and ``.partition`` says so.
            clusters: How many clusters k-means makes.
            seed: Of k-means, and of FINCH's approximate search for the neighbours of many videos.

        Raises:
            TrainingError: No embeddings, values that are not finite, or more clusters than videos.
        """
        if method == "none":
            return cls(np.arange(len(x)))
        if method == "kmeans":
            return cls(spherical_kmeans(x, clusters, seed=seed))
        hierarchy = finch(x, seed=seed)
        level = min(partition, len(hierarchy.partitions) - 1)
        measured = [recall for recall in hierarchy.recalls[: level + 1] if recall is not None]
        return cls(hierarchy.partitions[level], level, min(measured, default=None))

    def shifted(self) -> "PseudoLabels":
        """Give every video the label of the one before it in the catalog, the first the last's.

        An oddity of the authors' code, here only to reproduce their figures.
        """
        return replace(self, labels=np.roll(self.labels, 1))

    @property
    def clusters(self) -> int:
        """The number of clusters."""
        return len(self._sizes)

    @property
    def one_cluster(self) -> bool:
        """Whether several videos are all in one cluster, so that there is no negative."""
        return self.clusters == 1 < len(self.labels)

    def members(self, cluster: int) -> Int[np.ndarray, " m"]:
        """Return the videos of a cluster in ascending order."""
        start = self._starts[cluster]
        return self._by_cluster[start : start + self._sizes[cluster]]

    def partner(self, index: int, rng: np.random.Generator) -> int:
        """Draw another video of the same cluster, each equally likely; itself when it is alone."""
        members = self.members(int(self.labels[index]))
        if len(members) == 1:
            return index
        draw = int(rng.integers(len(members) - 1))
        place = int(np.searchsorted(members, index))
        return int(members[draw + (draw >= place)])  # steps over the video itself

    def agreement(self, previous: "PseudoLabels") -> float:
        """Return the adjusted mutual information with an earlier round: 1 when nothing changed."""
        return adjusted_mutual_information(self.labels, previous.labels)

    def summary(self) -> dict[str, int | float]:
        """Return clusters, singletons (clusters of one video), and the size of the largest.

        Where their first neighbours were not searched exactly, the recall of these is there too.
        """
        summary: dict[str, int | float] = {
            "clusters": self.clusters,
            "singletons": int((self._sizes == 1).sum()),
            "largest": int(self._sizes.max()),
        }
        if self.neighbour_recall is not None:
            summary["neighbour_recall"] = self.neighbour_recall
        return summary

    @cached_property
    def _sizes(self) -> Int[np.ndarray, " k"]:
        return np.bincount(self.labels)

    @cached_property
    def _starts(self) -> Int[np.ndarray, " k"]:
        starts: Int[np.ndarray, " k"] = np.cumsum(self._sizes) - self._sizes
        return starts

    @cached_property
    def _by_cluster(self) -> Int[np.ndarray, " n"]:
        return np.argsort(self.labels, kind="stable")
