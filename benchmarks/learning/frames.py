"""The decoded frames of a task in one memory-mapped file: no run decodes a video again.

The pixels are those that a run reads from the files; decoding is about half of a small run's CPU
time. The file lies at the size that clips are read at, and every process maps the same one.
"""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from tqdm import tqdm

from slic.clips.reader import ClipReader
from slic.files import atomic_path
from slic.videos.catalog import Catalog, Video
from slic.videos.frames import read_frames


class StoredFrames:
    """All frames of the videos of a catalog, at one size."""

    def __init__(self, file: Path, catalog: Catalog) -> None:
        self._frames = np.asarray(np.load(file, mmap_mode="r"))
        self._start = _starts(catalog)

    def take(self, video: Video, indices: Int[np.ndarray, " t"]) -> UInt8[np.ndarray, "t h w 3"]:
        """Return frames of a video; after its end the last is repeated, as when reading it."""
        places = self._start[video.id] + np.minimum(indices, video.frames - 1)
        return np.asarray(self._frames[places])


class StoredReader(ClipReader):
    """A reader of clips that takes stored frames where another decodes."""

    def __init__(self, like: ClipReader, stored: StoredFrames) -> None:
        super().__init__(
            frames=like.frames,
            stride=like.stride,
            size=like.size,
            resize=like.resize,
            flow=like.flow,
            store=like.store,
        )
        self.stored = stored

    def read(
        self, video: Video, spans: Sequence[Int[np.ndarray, " t"]]
    ) -> list[UInt8[np.ndarray, "t h w 3"]]:
        """Return several clips of a video."""
        return [self.stored.take(video, span) for span in spans]


def stored_frames(catalog: Catalog, *, size: tuple[int, int], folder: Path) -> StoredFrames:
    """Return the frames of a catalog at (width, height), decoded into ``folder`` when missing."""
    what = "\n".join(f"{v.id} {v.frames} {v.path.stat().st_size}" for v in catalog)
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    file = folder / f"{catalog.root.name}-{size[0]}x{size[1]}-{digest}.npy"
    if not file.exists():
        with atomic_path(file) as temporary:
            _decode(catalog, size, temporary)
    return StoredFrames(file, catalog)


def _decode(catalog: Catalog, size: tuple[int, int], file: Path) -> None:
    start, shape = _starts(catalog), (sum(v.frames for v in catalog), size[1], size[0], 3)
    frames = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    for video in tqdm(catalog, desc="decoding", unit="video"):
        place = start[video.id]
        frames[place : place + video.frames] = read_frames(
            video, np.arange(video.frames), size=size
        )
    frames.flush()


def _starts(catalog: Catalog) -> dict[str, int]:
    ends = accumulate(video.frames for video in catalog)
    return {video.id: end - video.frames for video, end in zip(catalog, ends, strict=True)}
