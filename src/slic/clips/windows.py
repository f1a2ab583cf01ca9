"""Windows of every video, decoded in one pass with few frames held."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from slic.clips.loader import WorkerLoader
from slic.videos.catalog import Catalog
from slic.videos.frames import stream_frames
from slic.videos.video import Video

Clip = UInt8[np.ndarray, "t h w 3"]


class Windows(NamedTuple):
    """Successive windows of one video; ``last`` is true when no more follow."""

    video: int
    clips: UInt8[Tensor, "n t h w 3"]
    last: bool


def window_loader(
    catalog: Catalog,
    spans: Callable[[int], Int[np.ndarray, "count t"]],
    *,
    size: tuple[int, int],
    at_once: int,
    show: Callable[[Clip], Clip] | None = None,
    workers: int,
) -> WorkerLoader[Windows]:
    """Return a loader of windows of every video.

    Those of one video come in order, but videos may be mixed. Memory does not grow with the length
    of a video.

    Args:
        catalog: The videos.
        spans: Gives the windows of a video of so many frames, see `stream_clips`.
        size: (width, height) to resize frames to.
        at_once: Windows handed over together, at most.
        show: Makes of a window what is handed over; None: as it is.
        workers: Processes, each with whole videos; 0 loads in this one.
    """
    dataset = _WindowDataset(catalog, spans, size, at_once, show)
    return WorkerLoader(dataset, workers=workers, batch_size=None)


class _WindowDataset(IterableDataset[Windows]):
    """Worker w of n takes every n-th video from w on."""

    def __init__(
        self,
        catalog: Catalog,
        spans: Callable[[int], Int[np.ndarray, "count t"]],
        size: tuple[int, int],
        at_once: int,
        show: Callable[[Clip], Clip] | None,
    ) -> None:
        self.catalog = catalog
        self.spans = spans
        self.size = size
        self.at_once = at_once
        self.show = show

    def __iter__(self) -> Iterator[Windows]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, len(self.catalog), step):
            yield from self._windows_of(index)

    def _windows_of(self, index: int) -> Iterator[Windows]:
        video = self.catalog[index]
        spans = self.spans(video.frames)
        clips = stream_clips(video, spans, size=self.size)
        shown = map(self.show, clips) if self.show else clips
        for start in range(0, len(spans), self.at_once):
            block = list(islice(shown, self.at_once))
            last = start + len(block) == len(spans)
            yield Windows(index, torch.from_numpy(np.stack(block)), last)


def stream_clips(
    video: Video, spans: Int[np.ndarray, "count t"], *, size: tuple[int, int]
) -> Iterator[Clip]:
    """Give clips that start later and later, from one pass over the video.

    Held are the frames of one clip. The last frame stands for frames past the end.

    Args:
        video: The video.
        spans: Frame numbers of each clip, the first the least and the last the greatest; both
            ascend from clip to clip.
        size: (width, height) to resize frames to.
    """
    inside = np.minimum(spans, video.frames - 1)
    places = np.unique(inside).tolist()
    frames = zip(places, stream_frames(video, places, size=size), strict=True)
    held: dict[int, UInt8[np.ndarray, "h w 3"]] = {}
    for span in inside.tolist():
        held = {place: frame for place, frame in held.items() if place >= span[0]}
        while span[-1] not in held:
            place, frame = next(frames)
            held[place] = frame
        yield np.stack([held[place] for place in span])
