"""Pseudo-labels: members, partners, and what a round reports."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.clustering import base
from slic.clustering.base import PseudoLabels
from slic.clustering.finch import Hierarchy, finch
from slic.errors import TrainingError


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


def test_methods_and_partitions() -> None:
    x = np.random.default_rng(0).uniform(size=(300, 8))
    partitions = finch(x).partitions
    assert len(partitions) > 2
    for level in (0, 1, 99):
        pseudo = PseudoLabels.from_embeddings(x, method="finch", partition=level)
        assert pseudo.partition == min(level, len(partitions) - 1)
        assert pseudo.labels.tolist() == partitions[pseudo.partition].tolist()
    assert PseudoLabels.from_embeddings(x, method="kmeans", clusters=12).clusters == 12
    alone = PseudoLabels.from_embeddings(x, method="none")
    assert alone.summary() == {"clusters": 300, "singletons": 300, "largest": 1}


def test_the_lowest_recall_of_the_levels_used_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    x, two = np.eye(4), np.array([0, 0, 1, 1])
    for recalls, partition, stated in (
        ((None, None), 1, None),
        ((0.992, None), 1, 0.992),
        ((0.995, 0.991), 0, 0.995),
        ((0.995, 0.991), 1, 0.991),
    ):
        found = Hierarchy((np.arange(4), two), recalls)
        monkeypatch.setattr(base, "finch", lambda *_, found=found, **__: found)
        pseudo = PseudoLabels.from_embeddings(x, method="finch", partition=partition)
        assert pseudo.neighbour_recall == pseudo.shifted().neighbour_recall == stated


def test_agreement_from_round_to_round() -> None:
    before = PseudoLabels(np.array([0, 0, 1, 1, 2, 2]))
    renamed = PseudoLabels(np.array([2, 2, 0, 0, 1, 1]))
    other = PseudoLabels(np.array([0, 1, 0, 1, 0, 1]))
    assert renamed.agreement(before) == pytest.approx(1.0)
    assert other.agreement(before) < 0.1


def test_more_clusters_than_videos_are_refused() -> None:
    with pytest.raises(TrainingError, match="5 clusters of 3 embeddings"):
        PseudoLabels.from_embeddings(np.eye(3), method="kmeans", clusters=5)


@pytest.mark.parametrize("labels", [[], [0, 2], [-1, 0]])
def test_labels_that_are_not_zero_to_k_are_our_mistake(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="pseudo-labels are"):
        PseudoLabels(np.array(labels, dtype=np.int64))


def test_shifted_labels_are_those_read_one_too_early() -> None:
    labels = [2, 0, 1, 1, 2]
    taken: list[int] = []
    for _ in labels:  # the index is read before the video is appended: -1 for the first
        taken.append(labels[len(taken) - 1])
    assert PseudoLabels(np.array(labels)).shifted().labels.tolist() == taken
