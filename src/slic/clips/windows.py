"""Read overlapping windows of whole videos in one pass, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from slic.clips.fixed_rate import frame_count, to_video_frames
from slic.clips.flow import ClipFrames
from slic.clips.loader import WorkerLoader
from slic.clips.spans import Spans
from slic.videos.catalog import Catalog
from slic.videos.frames import stream_frames
from slic.videos.video import Video


class WindowBatch(NamedTuple):
    """Successive windows of one video.

    Attributes:
        video: Position of the video in the catalog.
        clips: The windows.
        last: Whether these are the last windows of the video.
    """

    video: int
    clips: UInt8[Tensor, "n t h w 3"]
    last: bool


def window_loader(
    catalog: Catalog,
    spans: Callable[[int], Spans],
    *,
    size: Callable[[Video], tuple[int, int]],
    windows_per_batch: int,
    transform: Callable[[ClipFrames], ClipFrames] | None = None,
    fps: float | None = None,
    workers: int,
) -> WorkerLoader[WindowBatch]:
    """Return a loader of the windows of every video.

    The windows of one video come in order, but batches of several videos may interleave. Memory
    does not grow with the length of a video.

    Args:
        catalog: The videos.
        spans: Maps the number of frames that windows are cut from to the windows, see
            :func:`stream_clips`.
        size: Gives the (width, height) that the frames of a video are resized to, in pixels.
        windows_per_batch: Largest number of windows in a batch.
        transform: Applied to every window. None returns the windows as they are.
        fps: Frames per second that windows are cut from, see `slic.clips.fixed_rate`. None cuts
            them from all frames of a video.
        workers: Number of worker processes, each of which reads whole videos. 0 loads in the main
            process.
    """
    dataset = _WindowDataset(catalog, spans, size, windows_per_batch, transform, fps)
    return WorkerLoader(dataset, workers=workers, batch_size=None)


@dataclass(eq=False)
class _WindowDataset(IterableDataset[WindowBatch]):
    """Worker w of n reads every n-th video, starting with video w."""

    catalog: Catalog
    spans: Callable[[int], Spans]
    size: Callable[[Video], tuple[int, int]]
    windows_per_batch: int
    transform: Callable[[ClipFrames], ClipFrames] | None
    fps: float | None

    def __iter__(self) -> Iterator[WindowBatch]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, len(self.catalog), step):
            yield from self._batches(index)

    def _batches(self, index: int) -> Iterator[WindowBatch]:
        video = self.catalog[index]
        spans = to_video_frames(video, self.spans(frame_count(video, self.fps)), self.fps)
        clips = stream_clips(video, spans, size=self.size(video))
        transformed = map(self.transform, clips) if self.transform else clips
        for start in range(0, len(spans), self.windows_per_batch):
            batch = list(islice(transformed, self.windows_per_batch))
            last = start + len(batch) == len(spans)
            yield WindowBatch(index, torch.from_numpy(np.stack(batch)), last)


def stream_clips(video: Video, spans: Spans, *, size: tuple[int, int]) -> Iterator[ClipFrames]:
    """Read clips one after another in a single pass over a video.

    Only the frames of one clip are held. The last frame of the video replaces frames past its end.

    Args:
        video: The video.
        spans: Frame indices of each clip. The first index of a clip is its smallest, the last its
            largest, and neither decreases from clip to clip.
        size: (width, height) that frames are resized to, in pixels.

    Raises:
        VideoError: A frame cannot be decoded.
    """
    inside = np.minimum(spans, video.frames - 1)
    indices = np.unique(inside).tolist()
    frames = zip(indices, stream_frames(video, indices, size=size), strict=True)
    held: dict[int, UInt8[np.ndarray, "h w 3"]] = {}
    for span in inside.tolist():
        held = {index: frame for index, frame in held.items() if index >= span[0]}
        while span[-1] not in held:
            index, frame = next(frames)
            held[index] = frame
        yield np.stack([held[index] for index in span])
