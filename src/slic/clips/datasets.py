"""From a catalog to tensors: clips to embed, and the training samples of SLIC.

What sample i of epoch e looks like depends on (seed, e, i) only, so any number of workers, and a
run that was stopped and resumed, see the same batches.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from slic.clips.augmentation import Augmentation, centre_crop, draw_parameters
from slic.clips.loader import Sample, WorkerLoader
from slic.clips.reader import ClipReader, Modality, Shown
from slic.clips.spans import (
    Placement,
    evenly_spaced_spans,
    official_pair,
    random_pair,
    random_span,
)
from slic.clustering.base import PseudoLabels
from slic.videos.catalog import Catalog, Video

_ORDER, _PARTNER, _SPAN, _LOOK = range(4)  # one independent stream of random numbers for each


class ClipDataset(Dataset[UInt8[Tensor, "clips t s s 3"]]):
    """The evenly spaced clips of every video, in the order of the catalog, without augmentation.

    A single clip a video is its centre clip.
    """

    def __init__(
        self, catalog: Catalog, reader: ClipReader, *, clips: int, view: Modality = "rgb"
    ) -> None:
        self.catalog = catalog
        self.reader = reader
        self.clips = clips
        self.view = view

    def __len__(self) -> int:
        return len(self.catalog)

    def __getitem__(self, index: int) -> UInt8[Tensor, "clips t s s 3"]:
        """Return the clips of video ``index``."""
        video, reader = self.catalog[index], self.reader
        shape = {"frames": reader.frames, "stride": reader.stride}
        spans = evenly_spaced_spans(video.frames, self.clips, **shape)
        look = centre_crop(*reader.read_size)
        clips = reader.show([Shown(video, span, look, self.view) for span in spans])
        return torch.from_numpy(np.stack(clips))


class SampleIndex(NamedTuple):
    """Which training sample to make: the video, its partner, and the epoch of the randomness."""

    epoch: int
    video: int
    partner: int


class TripletSample(NamedTuple):
    """One training sample, or a batch of them (then every field has a leading axis)."""

    clips: UInt8[Tensor, "*b looks t s s 3"]  # anchor, positive and, when asked for, second look
    video: Int[Tensor, "*b"]
    overlap: Int[Tensor, "*b"]  # 1 where anchor and positive share frames: the video is too short


class TripletDataset(Dataset[TripletSample]):
    """Anchor, positive and second look, each with its own augmentation (docs/method.md).

    Args:
        catalog: The videos.
        reader: The shape of a clip.
        augmentation: How looks are drawn.
        flow_probability: How often the positive, and independently the second look, is shown as
            its optical flow.
        second_view: Whether to make the second look; without the temporal term nobody needs it.
        seed: Of the run.
        placement: Where in their videos the clips lie; ``"official"`` needs videos of two clips.
    """

    def __init__(
        self,
        catalog: Catalog,
        reader: ClipReader,
        augmentation: Augmentation,
        *,
        flow_probability: float,
        second_view: bool,
        seed: int,
        placement: Placement = "random",
    ) -> None:
        self.catalog = catalog
        self.reader = reader
        self.augmentation = augmentation
        self.flow_probability = flow_probability
        self.second_view = second_view
        self.seed = seed
        self.placement = placement

    def __getitem__(self, draw: SampleIndex) -> TripletSample:
        """Return the sample that ``draw`` names."""
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[SampleIndex]) -> list[TripletSample]:
        """Return the samples of a batch; neighbours that are partners share their decoding."""
        samples = []
        for group in _grouped(draws):
            clips, overlaps = zip(*map(self._clips, group), strict=True)
            shown = iter(self.reader.show([*chain(*clips)]))
            for draw, sample, overlap in zip(group, clips, overlaps, strict=True):
                looks = torch.from_numpy(np.stack([*islice(shown, len(sample))]))
                numbers = torch.tensor(draw.video), torch.tensor(int(overlap))
                samples.append(TripletSample(looks, *numbers))
        return samples

    def _clips(self, draw: SampleIndex) -> tuple[list[Shown], bool]:
        """SampleIndex the clips of a sample, and return whether two had to overlap."""
        anchor, positive, overlap = self._places(draw)
        rng = np.random.default_rng([self.seed, draw.epoch, draw.video, _LOOK])
        order = [(anchor, False), (positive, True), (anchor, True)][: 2 + self.second_view]
        return [self._drawn(place, rng, may_be_flow=flow) for place, flow in order], overlap

    def _places(self, draw: SampleIndex) -> tuple["_Place", "_Place", bool]:
        """SampleIndex where anchor and positive lie, and whether they had to overlap."""
        rng = np.random.default_rng([self.seed, draw.epoch, draw.video, _SPAN])
        shape = {"frames": self.reader.frames, "stride": self.reader.stride}
        video, partner = self.catalog[draw.video], self.catalog[draw.partner]
        if self.placement == "official":
            pair = official_pair(partner.frames, **shape, rng=rng)
            return _Place(video, pair.anchor), _Place(partner, pair.positive), pair.overlap
        if draw.partner == draw.video:
            pair = random_pair(video.frames, **shape, rng=rng)
            return _Place(video, pair.anchor), _Place(video, pair.positive), pair.overlap
        anchor, positive = (
            _Place(v, random_span(v.frames, **shape, rng=rng)) for v in (video, partner)
        )
        return anchor, positive, False

    def _drawn(self, place: "_Place", rng: np.random.Generator, *, may_be_flow: bool) -> Shown:
        """SampleIndex how a clip is shown."""
        as_flow = may_be_flow and rng.random() < self.flow_probability
        width, height = self.reader.read_size
        look = draw_parameters(self.augmentation, width=width, height=height, rng=rng)
        return Shown(place.video, place.span, look, "flow" if as_flow else "rgb")


class _Place(NamedTuple):
    """A clip's place: which frames of which video."""

    video: Video
    span: Int[np.ndarray, " t"]


def _grouped(draws: Iterable[SampleIndex]) -> Iterator[list[SampleIndex]]:
    """Yield neighbours that are each other's partners together, and every other draw alone."""
    before: SampleIndex | None = None
    for draw in draws:
        if before and (before.video, before.partner) == (draw.partner, draw.video):
            yield [before, draw]
            before = None
        else:
            if before:
                yield [before]
            before = draw
    if before:
        yield [before]


class TripletSampler(Sampler[list[SampleIndex]]):
    """The batches of one epoch: every video once, in an order of (seed, epoch).

    With ``mutual``, two videos of a cluster are each other's partners wherever possible and stand
    side by side: each is decoded once for its anchor and for the other one's positive. A video's
    partner is still any other of its cluster, each equally likely; where their number is odd, the
    one that is left draws its partner as without it.

    Call `start` before iterating. The workers of the loader need not know the epoch, because a
    `SampleIndex` carries all that a sample depends on. The last batch is left out when it is
    smaller than the others, so that every batch has the same statistics. With several processes,
    process ``rank`` of ``world`` gets its slice of the same global batch of ``batch_size`` videos.
    """

    def __init__(
        self,
        videos: int,
        *,
        batch_size: int,
        same_video_probability: float,
        seed: int,
        mutual: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.videos = videos
        self.batch_size = min(batch_size, videos) // world * world
        self.same_video_probability = same_video_probability
        self.mutual = mutual
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.first_step = 0
        self.pseudo_labels: PseudoLabels | None = None

    @property
    def steps(self) -> int:
        """How many batches a whole epoch has."""
        return self.videos // self.batch_size

    def start(self, epoch: int, pseudo_labels: PseudoLabels, *, first_step: int = 0) -> None:
        """Make the next iteration that of ``epoch``, without its first ``first_step`` batches."""
        self.epoch, self.pseudo_labels, self.first_step = epoch, pseudo_labels, first_step

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        labels = self.pseudo_labels
        assert labels is not None, "call start() first"
        order = self._rng(0, _ORDER).permutation(self.videos)
        draws = self._paired(order, labels) if self.mutual else None
        share = self.batch_size // self.world
        for step in range(self.first_step, self.steps):
            start = step * self.batch_size + self.rank * share
            mine = slice(start, start + share)
            yield draws[mine] if draws else [self._draw(int(v), labels) for v in order[mine]]

    def _draw(self, video: int, pseudo_labels: PseudoLabels) -> SampleIndex:
        rng = self._rng(video, _PARTNER)
        same = rng.random() < self.same_video_probability
        return SampleIndex(self.epoch, video, video if same else pseudo_labels.partner(video, rng))

    def _paired(
        self, order: Int[np.ndarray, " n"], pseudo_labels: PseudoLabels
    ) -> list[SampleIndex]:
        """Return the draws of the epoch: pairs, and videos without one, in a random order."""
        rng = self._rng(0, _PARTNER)
        same = rng.random(self.videos) < self.same_video_probability
        groups: list[list[tuple[int, int]]] = [[(v, v)] for v in np.flatnonzero(same).tolist()]
        alone: dict[int, int] = {}  # by cluster
        for video in order[~same[order]].tolist():
            other = alone.pop(cluster := int(pseudo_labels.labels[video]), None)
            if other is None:
                alone[cluster] = video
            else:
                groups.append([(other, video), (video, other)])
        groups += [[(video, pseudo_labels.partner(video, rng))] for video in alone.values()]
        shuffled = (groups[place] for place in rng.permutation(len(groups)))
        return [SampleIndex(self.epoch, *pair) for pair in chain.from_iterable(shuffled)]

    def _rng(self, index: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, index, stream])


def clip_loader(dataset: ClipDataset, *, batch_size: int, workers: int) -> WorkerLoader[Tensor]:
    """Return a loader of whole videos in catalog order, about ``batch_size`` clips at a time."""
    return WorkerLoader(
        dataset,
        workers=workers,
        batch_size=max(1, batch_size // dataset.clips),
        pin_memory=torch.cuda.is_available(),  # or a copy to the GPU would not be asynchronous
    )


def batch_loader(
    dataset: Dataset[Sample], batches: Sampler[list[Any]], *, workers: int
) -> WorkerLoader[Sample]:
    """Return the loader of training batches; its workers live as long as the run."""
    return WorkerLoader(
        dataset,
        workers=workers,
        batch_sampler=batches,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )
