"""Scores of a clustering against the true labels, also while a run trains, and cluster sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from sklearn import metrics

from slic.clustering.agreement import adjusted_mutual_information
from slic.datasets import Labels
from slic.videos.segments import file_id

Clusters = Int[np.ndarray, " n"] | Sequence[int]


def cluster_quality(labels: Sequence[str], clusters: Clusters) -> dict[str, float]:
    """Compare true labels with cluster numbers, video by video.

    NMI and purity rise with the number of clusters even if those are random: n singletons have
    purity 1. AMI corrects for that.

    Args:
        labels: True label of each video.
        clusters: Cluster of each video.

    Returns:
        ``nmi`` (divided by the arithmetic mean of the entropies, which makes it the V-measure),
        ``ami`` (0 for chance), ``purity``, ``homogeneity``, ``completeness`` and ``v_measure``
        (the harmonic mean of both). A score of 1 is full agreement.

    Raises:
        ValueError: The lengths differ, or there is no video.

    Example:
        >>> cluster_quality(["run", "run", "walk"], [0, 0, 1])["ami"]
        1.0
    """
    if len(clusters) != len(labels):
        raise ValueError(f"{len(clusters)} cluster numbers for {len(labels)} labels")
    true, found = _numbered(labels), np.asarray(clusters)
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(true, found)
    return {
        "nmi": float(metrics.normalized_mutual_info_score(true, found)),
        "ami": adjusted_mutual_information(true, found),
        "purity": purity(labels, clusters),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
    }


def purity(labels: Sequence[str], clusters: Clusters) -> float:
    """Return the share of videos that have the most frequent label of their cluster, in (0, 1].

    Raises:
        ValueError: There is no video.
    """
    if len(clusters) == 0:
        raise ValueError("purity needs at least one video")
    found = np.unique(np.asarray(clusters), return_inverse=True)[1]
    # sparse, because there can be tens of thousands of clusters
    counts = metrics.cluster.contingency_matrix(_numbered(labels), found, sparse=True)
    return float(counts.max(axis=0).sum() / len(clusters))


def cluster_sizes(clusters: Clusters) -> dict[str, int | float]:
    """Return statistics of the cluster sizes.

    Returns:
        ``videos``, ``clusters``, ``singletons`` (clusters of one video), the percentiles
        ``size_25``, ``size_50``, ``size_75`` and ``size_90`` over clusters, and ``largest``.

    Raises:
        ValueError: There is no video.
    """
    if len(clusters) == 0:
        raise ValueError("cluster sizes need at least one video")
    sizes = np.unique(np.asarray(clusters), return_counts=True)[1]
    quantiles = {f"size_{p}": float(np.percentile(sizes, p)) for p in (25, 50, 75, 90)}
    return {
        "videos": len(clusters),
        "clusters": len(sizes),
        "singletons": int((sizes == 1).sum()),
        **quantiles,
        "largest": int(sizes.max()),
    }


@dataclass(frozen=True)
class LabelObserver:
    """Score the clusters of each round against labels; nothing is fed back into the run.

    Attributes:
        labels: Labels of some or all videos of the run.
    """

    labels: Labels

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return NMI, AMI, purity and V-measure of the clusters of the labelled videos.

        Args:
            ids: Video ids. A segment has the label of its video.
            pseudo_labels: The cluster of each of these videos.

        Returns:
            Scores by name; empty if none of the videos has a label.
        """
        label = self.labels.label
        pairs = zip(map(file_id, ids), pseudo_labels, strict=True)
        known = [(label[name], cluster) for name, cluster in pairs if name in label]
        if not known:
            return {}
        true, clusters = zip(*known, strict=True)
        return cluster_quality(true, clusters)


def _numbered(labels: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Return the labels as numbers 0..k-1."""
    return np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
