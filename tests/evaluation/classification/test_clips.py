"""Training clips depend on (seed, epoch, video) only; every epoch has every video."""

import numpy as np
import torch

from slic.clips.augmentation import Augmentation, draw_parameters
from slic.clips.loader import batch_loader
from slic.clips.reader import ClipReader
from slic.clips.rendering import render_rgb
from slic.evaluation.classification import ClassificationTask
from slic.evaluation.classification.clips import (
    LabelledBatchSampler,
    LabelledClipDataset,
    LabelledClipIndex,
    LabelledClips,
)
from slic.videos.frames import read_frames

READER = ClipReader(frames=8, stride=2, size=32)


def epoch_of(
    batches: LabelledBatchSampler, epoch: int, *, first_batch: int = 0
) -> list[list[LabelledClipIndex]]:
    batches.start_epoch(epoch, first_batch=first_batch)
    drawn = list(batches)
    assert len(drawn) == len(batches)
    return drawn


def test_an_epoch_is_every_video_once_in_an_order_of_its_own() -> None:
    batches = LabelledBatchSampler(13, batch_size=4, seed=5)
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    for drawn in (first, second):
        assert [len(batch) for batch in drawn] == [4, 4, 4]  # one is left out, another each time
        assert len({draw.video for batch in drawn for draw in batch}) == 12
    assert [d.video for b in first for d in b] != [d.video for b in second for d in b]
    assert epoch_of(batches, 0, first_batch=2) == first[2:]
    assert epoch_of(LabelledBatchSampler(13, batch_size=4, seed=6), 0) != first


def test_few_videos_make_one_batch() -> None:
    assert [
        len(batch) for batch in epoch_of(LabelledBatchSampler(3, batch_size=32, seed=0), 0)
    ] == [3]


def test_a_clip_is_consecutive_frames_under_one_augmentation(task: ClassificationTask) -> None:
    dataset = LabelledClipDataset(task, READER, Augmentation(), seed=7)
    for epoch in range(4):
        clip, target = dataset[LabelledClipIndex(epoch, 3)]
        video = task.train[3]
        rng = np.random.default_rng([7, epoch, 3, 1])
        start = int(rng.integers(max(0, video.frames - 15) + 1))
        frames = read_frames(video, [start + 2 * i for i in range(8)], size=(43, 32))
        parameters = draw_parameters(Augmentation(), width=43, height=32, rng=rng)
        assert np.array_equal(clip.numpy(), render_rgb(frames, parameters, size=32))
        assert target == task.train_targets[3]
    assert not torch.equal(
        dataset[LabelledClipIndex(0, 3)].clips, dataset[LabelledClipIndex(1, 3)].clips
    )


def test_workers_change_nothing(task: ClassificationTask) -> None:
    def one_epoch(workers: int) -> list[LabelledClips]:
        batches = LabelledBatchSampler(len(task.train), batch_size=5, seed=1)
        batches.start_epoch(2, first_batch=0)
        dataset = LabelledClipDataset(task, READER, Augmentation(), seed=1)
        return list(batch_loader(dataset, batches, workers=workers))

    for one, other in zip(one_epoch(0), one_epoch(2), strict=True):
        assert torch.equal(one.clips, other.clips)
        assert torch.equal(one.targets, other.targets)
