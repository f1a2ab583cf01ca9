"""All half-overlapping windows of every video, decoded in one pass with few frames held."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from slic.clips.loading import WorkerLoader
from slic.clips.reader import ClipReader, ClipView
from slic.clips.spans import sliding_spans
from slic.videos.catalog import Catalog
from slic.videos.decoding import stream_frames
from slic.videos.video import Video

AT_ONCE = 32  # windows handed over together: 25 MB of 16 frames of 128 x 128


class Windows(NamedTuple):
    """Successive windows of one video; ``last`` is true when no more follow."""

    video: int
    clips: UInt8[Tensor, "w t s s 3"]
    last: bool


def window_loader(
    catalog: Catalog, reader: ClipReader, *, view: ClipView, workers: int
) -> WorkerLoader[Windows]:
    """Return a loader of all windows of every video (`slic.clips.spans.sliding_spans`).

    Those of one video come in order, but videos may be mixed. Nothing is augmented. Memory does not
    grow with the length of a video.
    """
    dataset = _WindowDataset(catalog, reader, view)
    return WorkerLoader(dataset, workers=workers, batch_size=None)


class _WindowDataset(IterableDataset[Windows]):
    """Worker w of n takes every n-th video from w on."""

    def __init__(self, catalog: Catalog, reader: ClipReader, view: ClipView) -> None:
        self.catalog = catalog
        self.reader = reader
        self.view = view

    def __iter__(self) -> Iterator[Windows]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, len(self.catalog), step):
            yield from self._windows_of(index)

    def _windows_of(self, index: int) -> Iterator[Windows]:
        video, reader = self.catalog[index], self.reader
        spans = sliding_spans(video.frames, frames=reader.frames, stride=reader.stride)
        clips = stream_clips(video, spans, size=reader.read_size)
        for start in range(0, len(spans), AT_ONCE):
            count = min(AT_ONCE, len(spans) - start)
            looks = [reader.centred(next(clips), self.view) for _ in range(count)]
            last = start + count == len(spans)
            yield Windows(index, torch.from_numpy(np.stack(looks)), last)


def stream_clips(
    video: Video, spans: Int[np.ndarray, "count t"], *, size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "t h w 3"]]:
    """Give clips that start later and later, from one pass over the video.

    Held are the frames of one clip. The last frame stands for frames past the end.

    Args:
        video: The video.
        spans: Frame numbers of each clip, ascending in a clip and from clip to clip.
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
