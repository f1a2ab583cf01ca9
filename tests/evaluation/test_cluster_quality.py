"""Purity equals a plain count, and the other scores have the properties that define them."""

from collections import Counter

import numpy as np
import pytest

from slic.datasets import Labels
from slic.evaluation.cluster_quality import (
    LabelObserver,
    cluster_quality,
    cluster_sizes,
    purity,
)


@pytest.mark.parametrize("seed", range(5))
def test_purity_matches_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters, labels = rng.integers(0, 9, 60) * 3, [str(i) for i in rng.integers(0, 4, 60)]
    right = sum(
        Counter(
            label for label, c in zip(labels, clusters, strict=True) if c == cluster
        ).most_common(1)[0][1]
        for cluster in set(clusters.tolist())
    )
    assert purity(labels, clusters) == pytest.approx(right / 60)


def test_every_score_is_one_for_renamed_labels() -> None:
    labels = ["walk"] * 3 + ["run"] * 4 + ["wave"] * 5
    assert cluster_quality(labels, np.repeat([7, 0, 3], [3, 4, 5])) == pytest.approx(
        dict.fromkeys(("nmi", "ami", "purity", "homogeneity", "completeness", "v_measure"), 1.0)
    )


def test_v_measure_by_hand() -> None:
    labels = ["walk"] * 4 + ["run"] * 4
    clusters = [0, 0, 0, 0, 1, 1, 2, 2]  # the classes are whole, one of them in halves
    scores = cluster_quality(labels, clusters)
    # H(labels) = 1 bit, H(clusters) = 1.5 bits, H(labels | clusters) = 0, H(c | l) = 0.5 bits
    homogeneity, completeness = 1.0, 1.0 - 0.5 / 1.5
    v_measure = 2 * homogeneity * completeness / (homogeneity + completeness)
    assert scores["homogeneity"] == pytest.approx(homogeneity)
    assert scores["completeness"] == pytest.approx(completeness)
    assert scores["v_measure"] == pytest.approx(v_measure)
    assert scores["nmi"] == pytest.approx(v_measure)
    assert scores["purity"] == 1.0


def test_sizes_by_hand() -> None:
    clusters = [7, 7, 7, 7, 7, 2, 2, 2, 9, 4]  # sizes 1, 1, 3, 5
    assert cluster_sizes(clusters) == {
        "videos": 10,
        "clusters": 4,
        "singletons": 2,
        "size_25": 1.0,
        "size_50": 2.0,
        "size_75": 3.5,
        "size_90": pytest.approx(4.4),
        "largest": 5,
    }
    with pytest.raises(ValueError, match="at least one video"):
        cluster_sizes([])


def test_singletons_have_purity_one_and_ami_zero() -> None:
    scores = cluster_quality([str(i % 4) for i in range(40)], list(range(40)))
    assert scores["purity"] == 1.0
    assert scores["ami"] == pytest.approx(0.0, abs=1e-9)
    assert scores["nmi"] == pytest.approx(scores["v_measure"])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 cluster numbers for 1 labels"):
        cluster_quality(["walk"], np.arange(2))


def test_the_observer_scores_clusters_against_labels(seven_labels: Labels) -> None:
    observer = LabelObserver(seven_labels)
    scores = observer.clustered(["0.mp4", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 5, 7])
    assert (scores["nmi"], scores["ami"], scores["purity"]) == pytest.approx((1, 1, 1))
    more = observer.clustered(["0.mp4", "x", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 7, 5, 7])
    assert more == scores  # a video without a label does not count
    assert observer.clustered(["x"], [0]) == {}
    parts = ["0.mp4#t=0,4", "0.mp4#t=4,8", "1.mp4#t=0,4", "2.mp4#t=0,4", "3.mp4#t=0,4"]
    whole = ["0.mp4", "0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    clusters = [5, 7, 7, 5, 7]
    assert observer.clustered(parts, clusters) == observer.clustered(whole, clusters)
