"""From a catalog to tensors: clips to embed, and the training samples of SLIC.

What sample i of epoch e looks like depends on (seed, e, i) only, so any number of workers, and a
run that was stopped and resumed, see the same batches.
"""

import signal
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from slic.clips.augment import Augmentation, centre_look, draw_look, render_flow, render_rgb
from slic.clips.flow import optical_flow
from slic.clips.spans import centre_span, evenly_spaced_spans, random_pair, random_span
from slic.clustering.assignment import PseudoLabels
from slic.videos.catalog import Catalog, Video
from slic.videos.decoding import read_frames

ClipView = Literal["rgb", "flow"]
_ORDER, _PARTNER, _SPAN, _LOOK = range(4)  # one independent stream of random numbers for each


class ClipReader:
    """Read clips of one shape and draw their looks.

    Attributes:
        frames: Length of a clip.
        stride: Every stride-th frame of the video is taken.
        size: Pixels of the square that the encoder sees; frames are read at (4/3 size) x size.
        remove_camera: Take the median vector off every flow frame.
    """

    def __init__(self, *, frames: int, stride: int, size: int, remove_camera: bool = False) -> None:
        self.frames = frames
        self.stride = stride
        self.size = size
        self.remove_camera = remove_camera
        self.read_size = (round(size * 4 / 3), size)

    def read(
        self, video: Video, spans: Sequence[Int[np.ndarray, " t"]]
    ) -> list[UInt8[np.ndarray, "t h w 3"]]:
        """Read several clips of a video in one pass over it."""
        frames = read_frames(video, np.concatenate(spans), size=self.read_size)
        return np.split(frames, len(spans))

    def flow(self, clip: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, "t h w 2"]:
        """Return the clip's optical flow."""
        return optical_flow(clip, remove_camera=self.remove_camera)

    def centred(
        self, clip: UInt8[np.ndarray, "t h w 3"], view: ClipView
    ) -> UInt8[np.ndarray, "t s s 3"]:
        """Return the look of evaluation: the centre square, in one of the two views."""
        look = centre_look(*self.read_size)
        if view == "flow":
            return render_flow(self.flow(clip), look, size=self.size)
        return render_rgb(clip, look, size=self.size)


class ClipDataset(Dataset[UInt8[Tensor, "clips t s s 3"]]):
    """The evenly spaced clips of every video, in the order of the catalog, without augmentation.

    A single clip a video is its centre clip.
    """

    def __init__(
        self, catalog: Catalog, reader: ClipReader, *, clips: int, view: ClipView = "rgb"
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
        spans = (
            [centre_span(video.frames, **shape)]
            if self.clips == 1
            else list(evenly_spaced_spans(video.frames, self.clips, **shape))
        )
        clips = [reader.centred(clip, self.view) for clip in reader.read(video, spans)]
        return torch.from_numpy(np.stack(clips))


class Draw(NamedTuple):
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
    """Anchor, positive and second look, each with its own augmentation (DESIGN section 1).

    Args:
        catalog: The videos.
        reader: The shape of a clip.
        augmentation: How looks are drawn.
        flow_probability: How often the positive, and independently the second look, is shown as
            its optical flow.
        second_look: Whether to make the second look; without the temporal term nobody needs it.
        seed: Of the run.
    """

    def __init__(
        self,
        catalog: Catalog,
        reader: ClipReader,
        augmentation: Augmentation,
        *,
        flow_probability: float,
        second_look: bool,
        seed: int,
    ) -> None:
        self.catalog = catalog
        self.reader = reader
        self.augmentation = augmentation
        self.flow_probability = flow_probability
        self.second_look = second_look
        self.seed = seed

    def __getitem__(self, draw: Draw) -> TripletSample:
        """Return the sample that ``draw`` names."""
        rng = np.random.default_rng([self.seed, draw.epoch, draw.video, _LOOK])
        anchor, positive, overlap = self._read(draw)
        looks = [self._look(anchor, rng, flow=False), self._maybe_flow(positive, rng)]
        if self.second_look:
            looks.append(self._maybe_flow(anchor, rng))
        return TripletSample(
            torch.from_numpy(np.stack(looks)), torch.tensor(draw.video), torch.tensor(int(overlap))
        )

    def _read(
        self, draw: Draw
    ) -> tuple[UInt8[np.ndarray, "t h w 3"], UInt8[np.ndarray, "t h w 3"], bool]:
        rng = np.random.default_rng([self.seed, draw.epoch, draw.video, _SPAN])
        shape = {"frames": self.reader.frames, "stride": self.reader.stride}
        video, partner = self.catalog[draw.video], self.catalog[draw.partner]
        if draw.partner == draw.video:
            pair = random_pair(video.frames, **shape, rng=rng)
            anchor, positive = self.reader.read(video, [pair.anchor, pair.positive])
            return anchor, positive, pair.overlap
        spans = [random_span(v.frames, **shape, rng=rng) for v in (video, partner)]
        return self.reader.read(video, spans[:1])[0], self.reader.read(partner, spans[1:])[0], False

    def _maybe_flow(
        self, clip: UInt8[np.ndarray, "t h w 3"], rng: np.random.Generator
    ) -> UInt8[np.ndarray, "t s s 3"]:
        return self._look(clip, rng, flow=rng.random() < self.flow_probability)

    def _look(
        self, clip: UInt8[np.ndarray, "t h w 3"], rng: np.random.Generator, *, flow: bool
    ) -> UInt8[np.ndarray, "t s s 3"]:
        _, height, width, _ = clip.shape
        look = draw_look(self.augmentation, width=width, height=height, rng=rng)
        if flow:
            return render_flow(self.reader.flow(clip), look, size=self.reader.size)
        return render_rgb(clip, look, size=self.reader.size)


class EpochBatches(Sampler[list[Draw]]):
    """The batches of one epoch: every video once, in an order of (seed, epoch).

    Call `start` before iterating; the workers of the loader need not know, because a `Draw` carries
    all that a sample depends on. The last batch is left out when it is smaller than the others, so
    that every batch has the same statistics. With several processes, process ``rank`` of ``world``
    gets its slice of the same global batch of ``batch_size`` videos.
    """

    def __init__(
        self,
        videos: int,
        *,
        batch_size: int,
        same_video_probability: float,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.videos = videos
        self.batch_size = min(batch_size, videos) // world * world
        self.same_video_probability = same_video_probability
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

    def __iter__(self) -> Iterator[list[Draw]]:
        order = self._rng(0, _ORDER).permutation(self.videos)
        share = self.batch_size // self.world
        for step in range(self.first_step, self.steps):
            start = step * self.batch_size + self.rank * share
            yield [self._draw(int(video)) for video in order[start : start + share]]

    def _draw(self, video: int) -> Draw:
        rng = self._rng(video, _PARTNER)
        same = rng.random() < self.same_video_probability
        assert self.pseudo_labels is not None, "call start() first"
        partner = video if same else self.pseudo_labels.partner(video, rng)
        return Draw(self.epoch, video, partner)

    def _rng(self, index: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, index, stream])


def clip_loader(dataset: ClipDataset, *, batch_size: int, workers: int) -> DataLoader[Tensor]:
    """Return a loader of whole videos in catalog order, about ``batch_size`` clips at a time."""
    _put_threads_away(workers)
    return DataLoader(
        dataset,
        batch_size=max(1, batch_size // dataset.clips),
        num_workers=workers,
        worker_init_fn=quiet_worker,
    )


def triplet_loader(
    dataset: TripletDataset, batches: EpochBatches, *, workers: int
) -> DataLoader[TripletSample]:
    """Return the loader of training batches; its workers live as long as the run."""
    _put_threads_away(workers)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        worker_init_fn=quiet_worker,
        persistent_workers=workers > 0,
    )


def _put_threads_away(workers: int) -> None:
    """End OpenCV's threads before workers are forked: those would wait for them for ever."""
    if workers:
        cv2.setNumThreads(1)


def quiet_worker(_: int) -> None:
    """Give a worker one thread, and leave Ctrl-C to the process that can save the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
