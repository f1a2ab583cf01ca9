"""How well a clustering agrees with the true labels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from sklearn import metrics


def cluster_quality(clusters: Int[np.ndarray, " n"], labels: Sequence[str]) -> dict[str, float]:
    """Compare cluster numbers with labels, video by video; every score is 1 when they agree.

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
        "purity": purity(clusters, labels),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
    }


def purity(clusters: Int[np.ndarray, " n"], labels: Sequence[str]) -> float:
    """Return the share of videos that carry the commonest label of their cluster."""
    if len(clusters) == 0:
        raise ValueError("purity of no videos at all")
    true = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    pair, count = np.unique(np.stack([clusters, true]), axis=1, return_counts=True)
    commonest = np.zeros(len(np.unique(clusters)), dtype=np.int64)
    np.maximum.at(commonest, np.unique(pair[0], return_inverse=True)[1], count)
    return float(commonest.sum() / len(clusters))
