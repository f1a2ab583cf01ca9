"""From videos to the clips of their moments: each video is decoded once, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from slic.clips.loader import WorkerLoader
from slic.clips.reader import ClipReader
from slic.clips.windows import stream_clips
from slic.errors import VideoError
from slic.search.moments import ClipShape, MomentWindows, clip_indices
from slic.videos.video import Video


@dataclass(frozen=True)
class Job:
    """A video, and which of its moments are still to be embedded (numbers, ascending)."""

    video_id: int
    video: Video
    windows: MomentWindows
    numbers: Int[np.ndarray, " m"]


class MomentClips(NamedTuple):
    """The clips of one moment, or why the rest of its video cannot be had (then no clips)."""

    job: int
    number: int
    clips: UInt8[Tensor, "c t s s 3"]
    problem: str = ""


class MomentStream(IterableDataset[MomentClips]):
    """The moments of all jobs; every worker takes whole videos, the longest are begun first."""

    def __init__(self, jobs: Sequence[Job], shape: ClipShape) -> None:
        self.jobs = jobs
        self.shape = shape

    def __iter__(self) -> Iterator[MomentClips]:
        order = sorted(range(len(self.jobs)), key=lambda i: (-len(self.jobs[i].numbers), i))
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for job in order[first::step]:
            try:
                for number, clips in read_moments(self.jobs[job], self.shape):
                    yield MomentClips(job, number, torch.from_numpy(clips))
            except VideoError as error:
                yield MomentClips(
                    job, -1, torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8), str(error)
                )


def moment_loader(
    jobs: Sequence[Job], shape: ClipShape, *, workers: int
) -> WorkerLoader[MomentClips]:
    """Return a loader that gives one moment at a time."""
    return WorkerLoader(
        MomentStream(jobs, shape),
        workers=workers,
        batch_size=None,
        prefetch_factor=8 if workers else None,
    )


def read_moments(
    job: Job, shape: ClipShape
) -> Iterator[tuple[int, UInt8[np.ndarray, "c t s s 3"]]]:
    """Give number and clips of each moment; only the frames of one window are held.

    Raises:
        VideoError: A frame does not decode (any more).
    """
    reader = ClipReader(frames=shape.frames, stride=shape.stride, size=shape.size)
    spans = np.stack([clip_indices(job.windows, shape, int(n)).ravel() for n in job.numbers])
    frames_of = stream_clips(job.video, spans, size=reader.read_size)
    for number, frames in zip(job.numbers.tolist(), frames_of, strict=True):
        clips = frames.reshape(-1, shape.frames, *frames.shape[1:])
        yield number, np.stack([reader.centred(clip, "rgb") for clip in clips])
