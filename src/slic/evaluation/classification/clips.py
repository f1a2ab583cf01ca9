"""The training clips of a classifier: in every epoch one random clip of each video.

The clip of video i in epoch e depends on (seed, e, i) only, as in pretraining.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from slic.clips.augmentation import Augmentation
from slic.clips.reader import ClipReader
from slic.clips.spans import random_span
from slic.evaluation.classification.task import ClassificationTask

_ORDER_STREAM, _CLIP_STREAM = range(2)  # independent streams of random numbers


class LabelledClipIndex(NamedTuple):
    """A training clip: the index of its video, and the epoch that decides the random numbers."""

    epoch: int
    video: int


class LabelledClips(NamedTuple):
    """One training clip, or a batch of them; then both fields have a leading axis."""

    clips: UInt8[Tensor, "*b t s s 3"]
    targets: Int64[Tensor, "*b"]


@dataclass(eq=False)
class LabelledClipDataset(Dataset[LabelledClips]):
    """One random, augmented clip of a training video, with its class number.

    Args:
        task: The training videos and their class numbers.
        reader: Reads clips of the encoder's shape.
        augmentation: Ranges of the augmentation parameters.
        seed: Seed of the spans and the augmentation parameters.
    """

    task: ClassificationTask
    reader: ClipReader
    augmentation: Augmentation
    _: KW_ONLY
    seed: int

    def __getitem__(self, index: LabelledClipIndex) -> LabelledClips:
        """Return the clip of a video in an epoch."""
        reader, video = self.reader, self.task.train[index.video]
        rng = np.random.default_rng([self.seed, index.epoch, index.video, _CLIP_STREAM])
        span = random_span(
            reader.frame_count(video), frames=reader.frames, stride=reader.stride, rng=rng
        )
        (clip,) = reader.render([reader.draw_view(video, span, self.augmentation, rng=rng)])
        target = torch.tensor(self.task.train_targets[index.video])
        return LabelledClips(torch.from_numpy(clip), target)


class LabelledBatchSampler(Sampler[list[LabelledClipIndex]]):
    """The batches of one epoch: every video once, in an order that depends on (seed, epoch).

    Call `start_epoch` before each iteration. Videos that do not fill a last batch are left out, so
    that batch statistics are comparable; every epoch leaves out others.

    Args:
        videos: Number of training videos.
        batch_size: Clips per batch; at most ``videos`` are used.
        seed: Seed of the order.
    """

    def __init__(self, videos: int, *, batch_size: int, seed: int) -> None:
        self.videos = videos
        self.batch_size = min(batch_size, videos)
        self.seed = seed
        self.epoch = 0
        self.first_batch = 0

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of a whole epoch."""
        return self.videos // self.batch_size

    def start_epoch(self, epoch: int, *, first_batch: int) -> None:
        """Select the epoch of the next iteration, and the batch with which it begins."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        return self.batches_per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[LabelledClipIndex]]:
        rng = np.random.default_rng([self.seed, self.epoch, 0, _ORDER_STREAM])
        order = rng.permutation(self.videos).tolist()
        for batch in range(self.first_batch, self.batches_per_epoch):
            start = batch * self.batch_size
            videos = order[start : start + self.batch_size]
            yield [LabelledClipIndex(self.epoch, video) for video in videos]
