"""Which moments a video has, and which frames are looked at for each: pure arithmetic.

A moment is a window of the video. One starts every ``stride_seconds``; a last one ends with the
video. It is embedded by so many evenly spaced clips of the encoder as fit side by side, and its
embedding is the mean direction of theirs, as in the retrieval protocol of the paper.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.clips.spans import evenly_spaced_spans, extent
from slic.errors import SearchError

SHORTEST_WINDOW_SECONDS = 2.0
USUAL_FPS = 25.0


class ClipShape(NamedTuple):
    """Frames of a clip, every how many-th frame of the video is taken, and pixels of its square."""

    frames: int
    stride: int
    size: int


class MomentWindows(NamedTuple):
    """The moments of one video, in frames of it."""

    start: Int[np.ndarray, " m"]
    frames: int

    def seconds(self, fps: float) -> Float[np.ndarray, "m 2"]:
        """Return start and end of every moment in seconds."""
        edges = np.stack([self.start, self.start + self.frames], axis=1)
        return np.asarray(edges / fps, dtype=np.float64)


def default_window_seconds(shape: ClipShape) -> float:
    """Return 2 s, or what a clip spans in a video of 25 frames a second when that is longer."""
    return max(SHORTEST_WINDOW_SECONDS, extent(shape.frames, shape.stride) / USUAL_FPS)


def require_above_zero(window_seconds: float, stride_seconds: float) -> None:
    """Refuse a window or a stride that is not above 0 seconds.

    Raises:
        SearchError: One is not.
    """
    if not (window_seconds > 0 and stride_seconds > 0):
        raise SearchError(
            f"--window {window_seconds:g} --stride {stride_seconds:g}: both must be above 0 s."
        )


def windows(
    total: int, fps: float, shape: ClipShape, *, window_seconds: float, stride_seconds: float
) -> MomentWindows:
    """Return the moments of a video of ``total`` frames.

    A window is never shorter than a clip nor longer than the video; a video shorter than a clip
    has one moment, all of it.

    Raises:
        SearchError: A window or stride that is not above 0.
    """
    require_above_zero(window_seconds, stride_seconds)
    clip = extent(shape.frames, shape.stride)
    frames = min(total, max(clip, round(window_seconds * fps)))
    step = stride_seconds * fps
    start = np.floor(np.arange(int((total - frames) / step) + 1) * step + 0.5).astype(np.int64)
    start = np.unique(start[start <= total - frames])  # a stride under one frame counts as one
    if start[-1] < total - frames:
        start = np.append(start, total - frames)
    return MomentWindows(start, frames)


def clip_indices(window: MomentWindows, shape: ClipShape, number: int) -> Int[np.ndarray, "c t"]:
    """Return the frame numbers of the clips of one moment.

    In a window shorter than a clip they run past its end, where the last frame is repeated.
    """
    clip = extent(shape.frames, shape.stride)
    count = max(1, round(window.frames / clip))
    spans = evenly_spaced_spans(window.frames, count, frames=shape.frames, stride=shape.stride)
    indices: Int[np.ndarray, "c t"] = window.start[number] + spans
    return indices


def mean_direction(clips: Float32[np.ndarray, "m c d"]) -> Float32[np.ndarray, "m d"]:
    """Return the unit mean of the unit embeddings of every moment's clips; zero stays zero."""
    mean = _unit(clips.astype(np.float64)).mean(axis=1)
    return _unit(mean).astype(np.float32)


def _unit(x: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    unit: Float[np.ndarray, "*n d"] = x / np.where(length > 0, length, 1.0)
    return unit
