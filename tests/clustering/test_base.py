"""Pseudo-labels: members, partners, and what a round reports."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.clustering import CLUSTERERS
from slic.clustering.base import Clusterer, PseudoLabels


@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_members_and_summary_are_those_of_a_plain_count(labels: list[int]) -> None:
    compact = np.unique(labels, return_inverse=True)[1]
    pseudo = PseudoLabels(compact)
    count = Counter(compact.tolist())
    for cluster in count:
        expected = [i for i, label in enumerate(compact) if label == cluster]
        assert pseudo.members(cluster).tolist() == expected
    assert pseudo.summary() == {
        "clusters": len(count),
        "singletons": sum(size == 1 for size in count.values()),
        "largest": max(count.values()),
    }
    assert pseudo.one_cluster == (len(count) == 1 and len(labels) > 1)


def test_partners_are_the_others_of_the_cluster_equally_often() -> None:
    pseudo, rng = PseudoLabels(np.array([1, 0, 1, 1, 2, 1])), np.random.default_rng(0)
    for index, others in ((0, {2, 3, 5}), (3, {0, 2, 5}), (5, {0, 2, 3})):
        drawn = Counter(pseudo.partner(index, rng) for _ in range(3000))
        assert set(drawn) == others
        assert all(abs(times - 1000) < 5 * (3000 * 2 / 9) ** 0.5 for times in drawn.values())
    assert pseudo.partner(1, rng) == 1  # alone
    assert pseudo.partner(4, rng) == 4


def test_agreement_from_round_to_round() -> None:
    before = PseudoLabels(np.array([0, 0, 1, 1, 2, 2]))
    renamed = PseudoLabels(np.array([2, 2, 0, 0, 1, 1]))
    other = PseudoLabels(np.array([0, 1, 0, 1, 0, 1]))
    assert renamed.agreement(before) == pytest.approx(1.0)
    assert other.agreement(before) < 0.1


@pytest.mark.parametrize("labels", [[], [0, 2], [-1, 0]])
def test_labels_with_gaps_or_below_zero_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="pseudo-labels are"):
        PseudoLabels(np.array(labels, dtype=np.int64))


def test_shifted_labels_are_those_read_one_too_early() -> None:
    labels = [2, 0, 1, 1, 2]
    taken: list[int] = []
    for _ in labels:  # the index is read before the video is appended: -1 for the first
        taken.append(labels[len(taken) - 1])
    assert PseudoLabels(np.array(labels)).shifted().labels.tolist() == taken


def test_every_clusterer_of_the_table_labels_each_row_the_same_way_again() -> None:
    x = np.random.default_rng(0).normal(size=(120, 6))
    for name, build in CLUSTERERS.items():
        clusterer = build()
        assert isinstance(clusterer, Clusterer)
        labels = clusterer(x, seed=3).labels
        assert len(labels) == 120
        assert labels.tolist() == clusterer(x, seed=3).labels.tolist()
        assert getattr(clusterer, "needs_embeddings", True) == (name != "none")
