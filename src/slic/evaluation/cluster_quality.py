"""How well a clustering agrees with the true labels."""

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
    commonest = metrics.cluster.contingency_matrix(true, found).max(axis=0)
    return float(commonest.sum() / len(clusters))
