"""The training clips: every epoch one random clip of each video, in a random look.

What video i gives in epoch e depends on (seed, e, i) only, as in pretraining.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from slic.clips.augmentation import Augmentation, draw_parameters
from slic.clips.reader import ClipReader, Shown
from slic.clips.spans import random_span
from slic.evaluation.classification.problem import Problem

_ORDER, _CLIP = range(2)  # one independent stream of random numbers for each


class LabelledIndex(NamedTuple):
    """Which training clip to make: the video, and the epoch of the randomness."""

    epoch: int
    video: int


class LabelledClips(NamedTuple):
    """One training clip, or a batch of them (then both fields have a leading axis)."""

    clips: UInt8[Tensor, "*b t s s 3"]
    targets: Int64[Tensor, "*b"]


class TrainingClips(Dataset[LabelledClips]):
    """One random clip of a training video, and its class."""

    def __init__(
        self, problem: Problem, reader: ClipReader, augmentation: Augmentation, *, seed: int
    ) -> None:
        self.problem = problem
        self.reader = reader
        self.augmentation = augmentation
        self.seed = seed

    def __getitem__(self, draw: LabelledIndex) -> LabelledClips:
        """Return the clip that ``draw`` names."""
        reader, video = self.reader, self.problem.train[draw.video]
        rng = np.random.default_rng([self.seed, draw.epoch, draw.video, _CLIP])
        span = random_span(video.frames, frames=reader.frames, stride=reader.stride, rng=rng)
        width, height = reader.read_size
        look = draw_parameters(self.augmentation, width=width, height=height, rng=rng)
        (clip,) = reader.show([Shown(video, span, look)])
        target = torch.tensor(self.problem.train_targets[draw.video])
        return LabelledClips(torch.from_numpy(clip), target)


class LabelledSampler(Sampler[list[LabelledIndex]]):
    """The batches of one epoch: every video once, in an order of (seed, epoch).

    Call `start` before iterating. The last batch is left out when it is smaller than the others, so
    that every batch has the same statistics; which videos those are changes with the epoch.
    """

    def __init__(self, videos: int, *, batch_size: int, seed: int) -> None:
        self.videos = videos
        self.batch_size = min(batch_size, videos)
        self.seed = seed
        self.epoch = 0
        self.first_batch = 0

    @property
    def per_epoch(self) -> int:
        """How many batches a whole epoch has."""
        return self.videos // self.batch_size

    def start(self, epoch: int, *, first_batch: int) -> None:
        """Make the next iteration that of ``epoch``, without its first ``first_batch`` batches."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        return self.per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[LabelledIndex]]:
        rng = np.random.default_rng([self.seed, self.epoch, 0, _ORDER])
        order = rng.permutation(self.videos).tolist()
        for batch in range(self.first_batch, self.per_epoch):
            start = batch * self.batch_size
            yield [
                LabelledIndex(self.epoch, video) for video in order[start : start + self.batch_size]
            ]
