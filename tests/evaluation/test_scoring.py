"""The observer scores the clusters of labelled videos only."""

import pytest

from slic.datasets import Labels
from slic.evaluation.scoring import LabelObserver


def test_the_observer_scores_clusters_against_labels(seven_labels: Labels) -> None:
    observer = LabelObserver(seven_labels)
    scores = observer.clustered(["0.mp4", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 5, 7])
    assert (scores["nmi"], scores["ami"], scores["purity"]) == pytest.approx((1, 1, 1))
    more = observer.clustered(["0.mp4", "x", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 7, 5, 7])
    assert more == scores  # a video without a label does not count
    assert observer.clustered(["x"], [0]) == {}
