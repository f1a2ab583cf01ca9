"""The training samples of SLIC: an anchor, a positive and a second view of the anchor.

A sample depends only on the seed, the epoch and the videos. So batches do not change with the
number of workers, nor when a run is stopped and resumed.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import IntEnum
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from slic.clips.augmentation import Augmentation
from slic.clips.reader import ClipReader, ClipRequest, Modality
from slic.clips.spans import PairPlacement, Span, random_placement
from slic.errors import VideoError, is_file_system_error
from slic.videos.catalog import Catalog
from slic.videos.segments import Segment
from slic.videos.video import Video

MAX_REDRAWS = 10  # videos tried in place of one that does not decode
_log = logging.getLogger("slic")


class RandomStream(IntEnum):
    """Independent streams of random numbers. The values are part of the seed: never renumber."""

    ORDER = 0  # of the videos of an epoch
    PARTNER = 1  # the video of the positive
    SPAN = 2  # the frames of anchor and positive
    VIEW = 3  # modality and augmentation of all views


def stream_rng(*, seed: int, epoch: int, video: int, stream: RandomStream) -> np.random.Generator:
    """Return the random numbers of one stream of one video in one epoch."""
    return np.random.default_rng([seed, epoch, video, int(stream)])


class SampleIndex(NamedTuple):
    """Names one training sample. It holds everything that changes between epochs.

    Attributes:
        epoch: The epoch, for the random numbers.
        video: Position of the anchor's video in the catalog.
        partner: Position of the positive's video. It may be the anchor's.
    """

    epoch: int
    video: int
    partner: int


class TrainingSample(NamedTuple):
    """One training sample, or a batch of samples with a leading axis.

    Attributes:
        clips: Views of the sample: anchor, positive and, if requested, second view. They are
            pixels, or the fixed features of stored views.
        video: Position of the anchor's video in the catalog.
        partner: Position of the positive's video; it may be the anchor's.
        overlap: 1 if anchor and positive share frames because the video is too short, else 0.
    """

    clips: UInt8[Tensor, "*b views t s s 3"] | Float[Tensor, "*b views s"]
    video: Int[Tensor, "*b"]
    partner: Int[Tensor, "*b"]
    overlap: Int[Tensor, "*b"]


@dataclass(eq=False)
class SampleDataset(Dataset[TrainingSample]):
    """Anchor, positive and second view, each with its own augmentation.

    The samples are those of Khorasgani et al., CVPR 2022. The anchor is always RGB. The second view
    shows the anchor's frames.

    Args:
        catalog: The videos.
        reader: Reads and renders the clips.
        augmentation: Distribution of the augmentation parameters.
        flow_probability: Probability that the positive is rendered as optical flow, and
            independently the second view. In [0, 1].
        second_view: Whether to make the second view. Only the temporal loss needs it.
        seed: Seed of the run.
        place_pair: Chooses the frames of anchor and positive, see
            :class:`slic.clips.spans.PairPlacement`.
    """

    catalog: Catalog
    reader: ClipReader
    augmentation: Augmentation
    _: KW_ONLY
    flow_probability: float
    second_view: bool
    seed: int
    place_pair: PairPlacement = random_placement

    def __getitem__(self, index: SampleIndex) -> TrainingSample:
        """Return one sample."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SampleIndex]) -> list[TrainingSample]:
        """Return the samples of a batch. Adjacent reciprocal positives are decoded once."""
        samples = []
        for group in _group_reciprocal(indices):
            try:
                samples += self._render_samples(group)
            except VideoError as error:
                if is_file_system_error(error):
                    raise
                samples += [self._redraw(index) for index in group]
        return samples

    def _redraw(self, index: SampleIndex) -> TrainingSample:
        """Return the first sample that can be decoded, by a rule that holds after a resume too.

        The rule: the sample itself, the anchor's video with itself as positive, then the next
        videos of the catalog with themselves as positives. Of segments, the next ones are spread
        over the catalog.

        Raises:
            VideoError: None of `MAX_REDRAWS` videos, the anchor's own included, can be decoded, or
                the file system refused one: a retry may help, so the run stops.
        """
        total, tries = len(self.catalog), min(MAX_REDRAWS, len(self.catalog))
        # the next segments may lie in the same damaged recording
        spacing = total // tries if isinstance(self.catalog[index.video], Segment) else 1
        others = [(index.video + step * spacing) % total for step in range(tries)]
        candidates = [index, *(SampleIndex(index.epoch, other, other) for other in others)]
        for candidate in candidates[:-1]:
            try:
                return self._render_samples([candidate])[0]
            except VideoError as error:
                if is_file_system_error(error):
                    raise
                _log.warning("%s; another sample is drawn", error)
        return self._render_samples([candidates[-1]])[0]

    def _render_samples(self, group: Sequence[SampleIndex]) -> list[TrainingSample]:
        requests, overlaps = zip(*map(self._draw_sample, group), strict=True)
        clips = iter(self.reader.render([*chain(*requests)]))
        return [
            TrainingSample(
                torch.from_numpy(np.stack([*islice(clips, len(views))])),
                torch.tensor(index.video),
                torch.tensor(index.partner),
                torch.tensor(int(overlap)),
            )
            for index, views, overlap in zip(group, requests, overlaps, strict=True)
        ]

    def _draw_sample(self, index: SampleIndex) -> tuple[list[ClipRequest], bool]:
        """Draw the views of a sample. Also return whether anchor and positive overlap."""
        video, partner = self.catalog[index.video], self.catalog[index.partner]
        pair = self.place_pair(
            anchor_video_frames=self.reader.frame_count(video),
            positive_video_frames=self.reader.frame_count(partner),
            same_video=index.partner == index.video,
            frames=self.reader.frames,
            stride=self.reader.stride,
            rng=self._rng(index, RandomStream.SPAN),
        )
        rng = self._rng(index, RandomStream.VIEW)
        views = [
            self._draw_view(video, pair.anchor, rng, may_be_flow=False),
            self._draw_view(partner, pair.positive, rng, may_be_flow=True),
        ]
        if self.second_view:
            views.append(self._draw_view(video, pair.anchor, rng, may_be_flow=True))
        return views, pair.overlap

    def _draw_view(
        self, video: Video, span: Span, rng: np.random.Generator, *, may_be_flow: bool
    ) -> ClipRequest:
        """Draw modality and augmentation parameters of one view."""
        as_flow = may_be_flow and rng.random() < self.flow_probability
        modality: Modality = "flow" if as_flow else "rgb"
        return self.reader.draw_view(video, span, self.augmentation, modality=modality, rng=rng)

    def _rng(self, index: SampleIndex, stream: RandomStream) -> np.random.Generator:
        return stream_rng(seed=self.seed, epoch=index.epoch, video=index.video, stream=stream)


def _group_reciprocal(indices: Iterable[SampleIndex]) -> Iterator[list[SampleIndex]]:
    """Yield adjacent samples that are each other's positives together, all others alone."""
    previous: SampleIndex | None = None
    for index in indices:
        if previous and (previous.video, previous.partner) == (index.partner, index.video):
            yield [previous, index]
            previous = None
        else:
            if previous:
                yield [previous]
            previous = index
    if previous:
        yield [previous]
