"""What a clustering is, and the pseudo-labels that it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from slic.clustering.agreement import adjusted_mutual_information


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """The cluster of every video, by the video's position in the catalog.

    Args:
        labels: Cluster numbers 0..k-1. Every number is used, so no cluster is empty.
        partition: The level of FINCH's hierarchy, 0 the finest.
        neighbour_recall: The lowest measured recall of the first neighbours that FINCH used. None
            if the search was exact.

    Raises:
        ValueError: ``labels`` is empty, or is not 0..k-1 with every number used.

    Example:
        >>> PseudoLabels(np.array([0, 1, 0])).members(0)
        array([0, 2])
    """

    labels: Int[np.ndarray, " n"]
    partition: int = 0
    neighbour_recall: float | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        possible = count and 0 <= self.labels.min() <= self.labels.max() < count
        if not possible or not np.bincount(self.labels).all():
            raise ValueError(
                "pseudo-labels are the numbers 0..k-1, each of at least one video; renumber them "
                "with np.unique(labels, return_inverse=True)[1]"
            )

    def shifted(self) -> "PseudoLabels":
        """Return the labels moved by one video; the first video gets the label of the last.

        This is an oddity of the authors' code, which reads the label of a video before it appends
        the video. It exists only to reproduce their numbers.
        """
        return replace(self, labels=np.roll(self.labels, 1))

    @property
    def clusters(self) -> int:
        """The number of clusters."""
        return len(self._sizes)

    @property
    def one_cluster(self) -> bool:
        """Whether two or more videos are all in one cluster. Then no video has a negative."""
        return self.clusters == 1 < len(self.labels)

    def members(self, cluster: int) -> Int[np.ndarray, " m"]:
        """Return the positions of the videos of a cluster, ascending."""
        start = self._starts[cluster]
        return self._by_cluster[start : start + self._sizes[cluster]]

    def partner(self, index: int, rng: np.random.Generator) -> int:
        """Draw another video of the same cluster, uniformly.

        Args:
            index: Position of the video.
            rng: Source of the draw.

        Returns:
            Position of the other video; ``index`` if the video is alone in its cluster.
        """
        members = self.members(int(self.labels[index]))
        if len(members) == 1:
            return index
        draw = int(rng.integers(len(members) - 1))
        place = int(np.searchsorted(members, index))
        return int(members[draw + (draw >= place)])  # skips the video itself

    def agreement(self, previous: "PseudoLabels") -> float:
        """Return the adjusted mutual information with the labels of an earlier round.

        Args:
            previous: Labels of the same videos.

        Returns:
            1 if the partitions are equal, about 0 if they agree only by chance.
        """
        return adjusted_mutual_information(self.labels, previous.labels)

    def summary(self) -> dict[str, int | float]:
        """Return the cluster statistics that a round logs.

        Returns:
            ``clusters``, ``singletons`` (clusters of one video) and ``largest`` (videos in the
            largest cluster). Also ``neighbour_recall`` if the neighbour search was approximate.
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


Partitions = Mapping[str, PseudoLabels]
"""Pseudo-labels of the same videos by each vector of an encoder, such as appearance and motion."""


@runtime_checkable
class Clusterer(Protocol):
    """A clustering of embeddings.

    A class may set the class attribute ``needs_embeddings = False`` if it uses only the number of
    videos; a round then skips the embedding. The attribute is optional and True by default.
    ``str(clusterer)`` is its name in tables of scores (`slic.evaluation.partitions`), so define
    ``__str__`` where a number of clusters or another setting belongs to the name.

    Example:
        >>> FINCH(partition=0)(x, seed=0).clusters
        12
    """

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int) -> PseudoLabels:
        """Return one pseudo-label per row.

        Args:
            x: Embeddings, one row per video, in catalog order.
            seed: Seed of every random draw. The same input and seed give the same labels.
        """
