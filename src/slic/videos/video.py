"""The description of one video, and of one that was refused."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from slic.errors import VideoError
from slic.videos.packets import read_timeline
from slic.videos.timeline import MAX_PACKETS, Timeline, unpack_timeline

ROW_COLUMNS = ("frames", "fps", "width", "height", "duration_seconds", "timeline")
MAX_SIDE = 1 << 20  # pixels; no format has more
_ROUNDING_SECONDS = 1e-6  # stamps of a time base are not exact in binary


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video: a file, or a folder of numbered pictures.

    Frame i is the i-th picture in the order of presentation.

    Attributes:
        id: Posix path relative to the catalog's root; it stays when the whole folder moves. Of a
            listed video that lies elsewhere, its absolute path.
        path: The file, or the folder of pictures.
        frames: Number of frames.
        fps: Frames per second; the mean if the rate varies, 25 for a folder of pictures.
        width: Pixels of a frame as it is shown, after rotation.
        height: Pixels, likewise.
        timeline: Packed presentation times and key frames (`slic.videos.timeline`). Empty for a
            folder of pictures, and for a file that was not scanned; its packets are then read when
            a frame is read, and its times follow from ``fps``.
        set_aside: The reason why reading it fails at once; empty if each reading is tried. None:
            the failures remembered so far decide (`slic.videos.set_aside`). A run has it fixed.

    Example:
        >>> video.frame_at(12.5), video.time_of(100)
        (312, 4.0)
    """

    id: str
    path: Path
    frames: int
    fps: float
    width: int
    height: int
    timeline: bytes = field(default=b"", repr=False)
    set_aside: str | None = field(default=None, repr=False, compare=False)

    @property
    def times(self) -> Float[np.ndarray, " frames"]:
        """Presentation time of every frame in seconds, ascending."""
        return self.edge_seconds[:-1]

    @property
    def duration_seconds(self) -> float:
        """Seconds from the start of the first frame to the end of the last.

        The last frame lasts as long as the median one.
        """
        edges = self.edge_seconds
        return float(edges[-1] - edges[0])

    @property
    def end_seconds(self) -> float:
        """The time when the last frame ends; the first one may start later than 0."""
        return float(self.edge_seconds[-1])

    def time_of(self, frame: int) -> float:
        """Return the presentation time of a frame in seconds; of frame ``frames``, the end."""
        return float(self.edge_seconds[frame])

    def frame_at(self, seconds: float) -> int:
        """Return the frame on display at a time; outside the video the first or last one."""
        place = int(np.searchsorted(self.times, seconds + _ROUNDING_SECONDS, side="right")) - 1
        return min(max(place, 0), self.frames - 1)

    @property
    def whole(self) -> "Video":
        """The video of the whole file: itself, unless it is a segment (`slic.videos.segments`)."""
        return self

    def in_whole(self, frames: Sequence[int]) -> Sequence[int]:
        """Return the numbers that frames of this video have in `whole`."""
        return frames

    def to_row(self) -> dict[str, Any]:
        """Return what caches and indexes keep of a video, by `ROW_COLUMNS`."""
        return {name: getattr(self, name) for name in ROW_COLUMNS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any], *, id: str, path: Path) -> "Video":  # noqa: A002
        """Return the video that `to_row` described.

        Args:
            row: At least the columns of `ROW_COLUMNS`.
            id: Its id in the catalog.
            path: Where the file or folder is now.

        Raises:
            VideoError: The row has impossible values.
        """
        known = {name: row[name] for name in ROW_COLUMNS if name != "duration_seconds"}
        if reason := _impossible(known):
            raise VideoError(f"{path}: what was noted of it is damaged ({reason}); scan it again")
        return cls(id=id, path=path, **known)

    def read_timeline(self) -> Timeline:
        """Return the packets of the file; they are read if the scan's are not there.

        Raises:
            VideoError: The file cannot be read.
        """
        if self.timeline:
            with _damage_named(self.path):
                return unpack_timeline(self.timeline)
        return _timeline_of(self.path, self.path.stat().st_mtime_ns if self.path.exists() else 0)

    @property
    def edge_seconds(self) -> Float[np.ndarray, " edges"]:
        """Times when frames start, and when the last one ends: one more than frames."""
        with _damage_named(self.path):
            return _edges_of(self.timeline, self.frames, self.fps)


@dataclass(frozen=True)
class Refused:
    """A file that a catalog leaves out, and the reason."""

    id: str
    reason: str


def _impossible(row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the row of a video, which a stranger may have written."""
    most = {"frames": MAX_PACKETS, "width": MAX_SIDE, "height": MAX_SIDE}
    for name, limit in most.items():
        value = row[name]
        if type(value) is not int or not 1 <= value <= limit:
            return f"{name} {value!r:.40}"
    fps = row["fps"]
    if not isinstance(fps, int | float) or not 0 < fps < math.inf:
        return f"fps {fps!r:.40}"
    return None if isinstance(row["timeline"], bytes) else "timeline"


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn the ValueError of a damaged timeline into a VideoError that names the file."""
    try:
        yield
    except ValueError as error:
        raise VideoError(
            f"{path}: what was noted of its frames is damaged ({error}); scan it again"
        ) from error


@lru_cache(maxsize=512)
def _edges_of(timeline: bytes, frames: int, fps: float) -> Float[np.ndarray, " edges"]:
    """Return when every frame starts, and when the last one ends."""
    if not timeline:
        return np.arange(frames + 1) / fps
    seconds = unpack_timeline(timeline).seconds
    if len(seconds) != frames:
        raise ValueError(f"a timeline of {len(seconds)} frames, not {frames}")
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1 / fps
    return np.append(seconds, seconds[-1] + step)


@lru_cache(maxsize=512)
def _timeline_of(path: Path, changed: int) -> Timeline:  # noqa: ARG001 (a changed file is read again)
    return read_timeline(path).timeline
