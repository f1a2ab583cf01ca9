"""Purity is checked by loops, the rest by what each score promises."""

from collections import Counter

import numpy as np
import pytest

from slic.evaluation.cluster_quality import cluster_quality, purity


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


def test_singletons_fool_purity_but_not_ami() -> None:
    scores = cluster_quality([str(i % 4) for i in range(40)], list(range(40)))
    assert scores["purity"] == 1.0
    assert scores["ami"] == pytest.approx(0.0, abs=1e-9)
    assert scores["nmi"] == pytest.approx(scores["v_measure"])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 cluster numbers for 1 labels"):
        cluster_quality(["walk"], np.arange(2))
