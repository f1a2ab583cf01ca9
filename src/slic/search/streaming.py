"""Reading the clips of moments: every video is decoded once, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from slic.clips.fixed_rate import to_video_frames
from slic.clips.loader import WorkerLoader
from slic.clips.reader import ClipReader
from slic.clips.windows import stream_clips
from slic.errors import VideoError
from slic.models.backbones import ClipSpec
from slic.search.moments import MomentWindows, union_of_ranges
from slic.videos.video import Video


@dataclass(frozen=True)
class EmbeddingJob:
    """A video and those of its moments that are to be embedded.

    Attributes:
        video_id: Id of the video in the index; -1 for a video that is not in it.
        video: The video.
        windows: Returns all moments of the video. They are not held, because a collection has many.
        numbers: Which of them to embed, ascending.
    """

    video_id: int
    video: Video
    windows: Callable[[], MomentWindows]
    numbers: Int[np.ndarray, " m"]


class MomentClips(NamedTuple):
    """The clips of one moment that no earlier moment of its job has, or an error.

    Attributes:
        job: Position of its job.
        number: Number of the moment in its video.
        clips: Its new clips, RGB. There may be none; there are none after an error.
        seconds: Presentation times of its start and end.
        weights: Weights of the clips that it covers: the last ones of its job so far.
        last: Whether it is the last moment of its job.
        problem: Why the rest of the video cannot be read; empty if it can.
    """

    job: int
    number: int
    clips: UInt8[Tensor, "c t s s 3"]
    seconds: tuple[float, float]
    weights: Float[Tensor, " k"]
    last: bool = False
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
        for position in order[first::step]:
            yield from moments_or_problem(self.jobs[position], self.clip, position=position)


def moments_or_problem(
    job: EmbeddingJob, clip: ClipSpec, *, position: int = 0
) -> Iterator[MomentClips]:
    """Give the moments of a job in order; after an error of the video, one entry that says so.

    Args:
        job: The moments.
        clip: The encoder's clips.
        position: Position of the job.
    """
    try:
        yield from read_moments(job, clip, position=position)
    except VideoError as error:
        no_clips = torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8)
        problem = str(error).removeprefix(f"{job.video.path}: ")
        yield MomentClips(
            position, -1, no_clips, (0.0, 0.0), torch.empty(0), last=True, problem=problem
        )


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


def read_moments(job: EmbeddingJob, clip: ClipSpec, *, position: int = 0) -> Iterator[MomentClips]:
    """Give the moments of a job in order; each clip is read once, with the first that covers it.

    Only the frames of one clip and the new clips of one moment are in memory.

    Args:
        job: The moments.
        clip: The encoder's clips.
        position: Position of the job.

    Raises:
        VideoError: A frame does not decode.
    """
    reader = ClipReader.of_clip(clip)
    windows = job.windows()
    first, end = windows.first[job.numbers], windows.end[job.numbers]
    wanted = union_of_ranges(first, end)
    spans = to_video_frames(job.video, windows.spans[wanted], clip.fps)
    clips = stream_clips(job.video, spans, size=reader.frame_size(job.video))
    new = np.diff(np.searchsorted(wanted, end), prepend=0)
    for number, count in zip(job.numbers.tolist(), new.tolist(), strict=True):
        views = [reader.centred(frames, "rgb") for frames in islice(clips, count)]
        shape = (count, clip.frames, clip.size, clip.size, 3)
        stacked = torch.from_numpy(np.stack(views)) if views else torch.empty(shape).byte()
        start, stop = windows.seconds[number].tolist()
        last, weights = number == job.numbers[-1], torch.from_numpy(windows.weights[number])
        yield MomentClips(position, number, stacked, (start, stop), weights, last=last)
