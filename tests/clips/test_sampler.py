"""Every epoch takes every video once; positives have the same pseudo-label."""

from collections import Counter
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest

from slic.clips.sampler import PositiveSampler
from slic.clips.samples import SampleIndex
from slic.clustering.base import PseudoLabels


def batches_of(
    sampler: PositiveSampler, epoch: int, labels: PseudoLabels, first_step: int = 0
) -> list[list[SampleIndex]]:
    sampler.start(epoch, labels, first_step=first_step)
    batches = list(sampler)
    assert len(sampler) == len(batches)
    return batches


def samples_of(sampler: PositiveSampler, epoch: int, labels: PseudoLabels) -> list[SampleIndex]:
    return [*chain.from_iterable(batches_of(sampler, epoch, labels))]


def test_an_epoch_takes_every_video_once_in_another_order() -> None:
    labels = PseudoLabels(np.arange(40) % 7)
    sampler = PositiveSampler(40, batch_size=8, same_video_probability=0.0, seed=0)
    orders = [[s.video for s in samples_of(sampler, epoch, labels)] for epoch in range(3)]
    assert all(sorted(videos) == list(range(40)) for videos in orders)
    assert orders[0] != orders[1] != orders[2]


def test_videos_that_do_not_fill_a_batch_are_those_of_another_epoch() -> None:
    sampler = PositiveSampler(10, batch_size=4, same_video_probability=0.0, seed=0)
    labels = PseudoLabels(np.zeros(10, int))
    seen = [{s.video for s in samples_of(sampler, epoch, labels)} for epoch in range(20)]
    assert all(len(videos) == 8 for videos in seen)
    assert set().union(*seen) == set(range(10))


def test_a_set_smaller_than_the_batch_is_one_batch() -> None:
    sampler = PositiveSampler(3, batch_size=32, same_video_probability=0.0, seed=0)
    (batch,) = batches_of(sampler, 0, PseudoLabels(np.zeros(3, int)))
    assert sorted(s.video for s in batch) == [0, 1, 2]


def test_the_last_epoch_is_cut_short_where_the_run_has_so_many_steps() -> None:
    labels = PseudoLabels(np.zeros(12, int))
    settings: dict[str, Any] = {"batch_size": 4, "same_video_probability": 0.5, "seed": 0}
    whole = PositiveSampler(12, **settings)
    cut = PositiveSampler(12, **settings, max_steps=7)  # of 3 steps an epoch
    for epoch, steps in enumerate([3, 3, 1]):
        assert batches_of(cut, epoch, labels) == batches_of(whole, epoch, labels)[:steps]
    assert batches_of(cut, 2, labels, first_step=1) == []


@pytest.mark.parametrize("reciprocal", [False, True])
def test_positives_share_the_pseudo_label_or_are_the_video_itself_as_often_as_asked(
    reciprocal: bool,
) -> None:
    labels = PseudoLabels(np.array([0] * 50 + [1] * 49 + [2]))
    sampler = PositiveSampler(
        100, batch_size=10, same_video_probability=0.2, seed=0, reciprocal_positives=reciprocal
    )
    samples = [s for epoch in range(60) for s in samples_of(sampler, epoch, labels)]
    assert all(labels.labels[s.video] == labels.labels[s.partner] for s in samples)
    assert all(s.partner == 99 for s in samples if s.video == 99)  # alone in its cluster
    itself = np.mean([s.video == s.partner for s in samples if s.video != 99])
    assert itself == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / len(samples)) ** 0.5)


def test_reciprocal_positives_stand_side_by_side_but_for_an_odd_one_of_each_cluster() -> None:
    labels = PseudoLabels(np.array([0] * 50 + [1] * 49 + [2]))
    sampler = PositiveSampler(
        100, batch_size=10, same_video_probability=0.2, seed=0, reciprocal_positives=True
    )
    samples, paired = [], []
    for epoch in range(60):
        of_epoch = samples_of(sampler, epoch, labels)
        assert sorted(s.video for s in of_epoch) == list(range(100))
        paired += [
            a.partner == b.video and b.partner == a.video and a.video != b.video
            for a, b in pairwise(of_epoch)
        ]
        samples += of_epoch
    others = sum(s.video != s.partner for s in samples)
    assert others - 2 * 60 <= 2 * sum(paired) <= others


def test_any_other_video_of_the_cluster_is_as_likely_a_reciprocal_positive() -> None:
    sampler = PositiveSampler(
        7, batch_size=7, same_video_probability=0.0, seed=0, reciprocal_positives=True
    )
    labels = PseudoLabels(np.array([0, 0, 0, 0, 0, 1, 1]))
    partners = Counter(
        s.partner
        for epoch in range(4000)
        for s in samples_of(sampler, epoch, labels)
        if s.video == 2
    )
    assert sorted(partners) == [0, 1, 3, 4]
    assert max(abs(n - 1000) for n in partners.values()) < 4 * (4000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_the_slices_of_all_processes_are_the_batch_of_one(world: int, reciprocal: bool) -> None:
    labels = PseudoLabels(np.arange(21) % 4)
    settings: dict[str, Any] = {"batch_size": 8, "same_video_probability": 0.3, "seed": 5}
    settings["reciprocal_positives"] = reciprocal
    alone = batches_of(PositiveSampler(21, **settings), 3, labels)
    slices = [
        batches_of(PositiveSampler(21, **settings, rank=rank, world=world), 3, labels)
        for rank in range(world)
    ]
    assert [list(chain(*parts)) for parts in zip(*slices, strict=True)] == alone


@pytest.mark.parametrize("reciprocal", [False, True])
def test_a_resumed_epoch_skips_its_first_batches(reciprocal: bool) -> None:
    labels = PseudoLabels(np.arange(20) % 4)
    sampler = PositiveSampler(
        20, batch_size=4, same_video_probability=0.3, seed=5, reciprocal_positives=reciprocal
    )
    whole = batches_of(sampler, 2, labels)
    for first_step in (0, 3, 5):
        assert batches_of(sampler, 2, labels, first_step) == whole[first_step:]
