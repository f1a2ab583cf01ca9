"""Reading the clips of moments: every video is decoded once, in bounded memory."""

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
from slic.models.backbones import ClipSpec
from slic.search.moments import MomentWindows, clip_indices
from slic.videos.video import Video


@dataclass(frozen=True)
class EmbeddingJob:
    """A video and those of its moments that are to be embedded.

    Attributes:
        video_id: Id of the video in the index; -1 for a video that is not in it.
        video: The video.
        windows: All moments of the video.
        numbers: Which of them to embed, ascending.
    """

    video_id: int
    video: Video
    windows: MomentWindows
    numbers: Int[np.ndarray, " m"]


class MomentClips(NamedTuple):
    """The clips of one moment, or an error.

    Attributes:
        job: Position of its job.
        number: Number of the moment in its video.
        clips: Its clips, RGB; none after an error.
        problem: Why the rest of the video cannot be read; empty if it can.
    """

    job: int
    number: int
    clips: UInt8[Tensor, "c t s s 3"]
    problem: str = ""


class MomentStream(IterableDataset[MomentClips]):
    """The moments of all jobs. A worker takes whole videos; the longest come first."""

    def __init__(self, jobs: Sequence[EmbeddingJob], clip: ClipSpec) -> None:
        self.jobs = jobs
        self.clip = clip

    def __iter__(self) -> Iterator[MomentClips]:
        order = sorted(range(len(self.jobs)), key=lambda i: (-len(self.jobs[i].numbers), i))
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for job in order[first::step]:
            try:
                for number, clips in read_moments(self.jobs[job], self.clip):
                    yield MomentClips(job, number, torch.from_numpy(clips))
            except VideoError as error:
                no_clips = torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8)
                problem = str(error).removeprefix(f"{self.jobs[job].video.path}: ")
                yield MomentClips(job, -1, no_clips, problem)


def moment_loader(
    jobs: Sequence[EmbeddingJob], clip: ClipSpec, *, workers: int
) -> WorkerLoader[MomentClips]:
    """Return a loader that gives one moment at a time.

    Args:
        jobs: Which moments of which videos.
        clip: The encoder's clips.
        workers: Processes that decode; 0 decodes in this process.
    """
    stream, ahead = MomentStream(jobs, clip), 8 if workers else None
    return WorkerLoader(stream, workers=workers, batch_size=None, prefetch_factor=ahead)


def read_moments(
    job: EmbeddingJob, clip: ClipSpec
) -> Iterator[tuple[int, UInt8[np.ndarray, "c t s s 3"]]]:
    """Give number and clips of each moment; only the frames of one window are in memory.

    Raises:
        VideoError: A frame does not decode.
    """
    reader = ClipReader(frames=clip.frames, stride=clip.stride, size=clip.size)
    spans = np.stack([clip_indices(job.windows, clip, int(n)).ravel() for n in job.numbers])
    frames_of = stream_clips(job.video, spans, size=reader.read_size)
    for number, frames in zip(job.numbers.tolist(), frames_of, strict=True):
        clips = frames.reshape(-1, clip.frames, *frames.shape[1:])
        yield number, np.stack([reader.centred(one, "rgb") for one in clips])
