"""How well a clustering agrees with the true labels, and how large its clusters are."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from sklearn import metrics

Clusters = Int[np.ndarray, " n"] | Sequence[int]


def cluster_quality(labels: Sequence[str], clusters: Clusters) -> dict[str, float]:
    """Compare true labels with cluster numbers, video by video; a score of 1 is full agreement.

    ``nmi`` divides by the arithmetic mean of the entropies, which makes it the V-measure, the
    harmonic mean of ``homogeneity`` and ``completeness``. NMI and purity rise with the number of
    clusters even if those are random (n singletons have purity 1); ``ami`` is 0 for chance.
    """
    if len(clusters) != len(labels):
        raise ValueError(f"{len(clusters)} cluster numbers for {len(labels)} labels")
    true = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(
        true, clusters
    )
    return {
        "nmi": float(metrics.normalized_mutual_info_score(true, clusters)),
        "ami": float(metrics.adjusted_mutual_info_score(true, clusters)),
        "purity": purity(labels, clusters),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
    }


def purity(labels: Sequence[str], clusters: Clusters) -> float:
    """Return the share of videos that carry the commonest label of their cluster."""
    if len(clusters) == 0:
        raise ValueError("purity of no videos at all")
    true = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    found = np.unique(np.asarray(clusters), return_inverse=True)[1]
    counts = metrics.cluster.contingency_matrix(true, found, sparse=True)  # many small clusters
    return float(counts.max(axis=0).sum() / len(clusters))


def cluster_sizes(clusters: Clusters) -> dict[str, int | float]:
    """Return the spectrum of cluster sizes: counts, quantiles over clusters, and the largest.

    ``size_25``, ``size_50`` (the median), ``size_75`` and ``size_90`` are percentiles.
    """
    if len(clusters) == 0:
        raise ValueError("cluster sizes of no videos at all")
    sizes = np.unique(np.asarray(clusters), return_counts=True)[1]
    quantiles = {f"size_{p}": float(np.percentile(sizes, p)) for p in (25, 50, 75, 90)}
    return {
        "videos": len(clusters),
        "clusters": len(sizes),
        "singletons": int((sizes == 1).sum()),
        **quantiles,
        "largest": int(sizes.max()),
    }
