"""Which moments a video has, and which frames each is embedded from.

A moment is a window of the video. One starts every ``stride_seconds``, and a last one ends with the
video. It is embedded by as many evenly spaced clips of the encoder as fit side by side. Its
embedding is the mean direction of theirs, as in the retrieval protocol of the paper.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.clips.spans import evenly_spaced_spans, extent
from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.neighbours.rows import normalise
from slic.videos.video import Video

MIN_DEFAULT_WINDOW_SECONDS = 2.0
_TYPICAL_FPS = 25.0


class MomentWindows(NamedTuple):
    """The moments of one video.

    Attributes:
        start: First frame of every moment, ascending.
        frames: Length of every moment in frames.
    """

    start: Int[np.ndarray, " m"]
    frames: int

    def seconds(self, video: Video) -> Float[np.ndarray, "m 2"]:
        """Return the presentation times of start and end of every moment."""
        edges = np.stack([self.start, self.start + self.frames], axis=1)
        return np.asarray(video.edge_seconds[edges], dtype=np.float64)


def default_window_seconds(clip: ClipSpec) -> float:
    """Return the length of a moment if none is given.

    Returns:
        2 s, or the length of a clip in a video of 25 frames per second if that is longer.
    """
    return max(MIN_DEFAULT_WINDOW_SECONDS, extent(clip.frames, clip.stride) / _TYPICAL_FPS)


def check_window(window_seconds: float, stride_seconds: float) -> None:
    """Check that the length and the stride of moments are positive.

    Raises:
        SearchError: One is not.
    """
    if not (window_seconds > 0 and stride_seconds > 0):
        raise SearchError(
            f"window_seconds {window_seconds:g}, stride_seconds {stride_seconds:g}: "
            "both must be above 0."
        )


def moment_windows(
    total: int, fps: float, clip: ClipSpec, *, window_seconds: float, stride_seconds: float
) -> MomentWindows:
    """Return the moments of a video.

    A window is never shorter than a clip and never longer than the video. A video shorter than a
    clip has one moment, which is all of it.

    Args:
        total: Frames of the video.
        fps: Frames per second.
        clip: The encoder's clips.
        window_seconds: Length of a moment.
        stride_seconds: Time from the start of one moment to the next.

    Raises:
        SearchError: A window or stride that is not above 0.
    """
    check_window(window_seconds, stride_seconds)
    extent_of_clip = extent(clip.frames, clip.stride)
    frames = min(total, max(extent_of_clip, round(window_seconds * fps)))
    step = stride_seconds * fps
    start = np.floor(np.arange(int((total - frames) / step) + 1) * step + 0.5).astype(np.int64)
    start = np.unique(start[start <= total - frames])  # a stride below one frame repeats starts
    if start[-1] < total - frames:
        start = np.append(start, total - frames)
    return MomentWindows(start, frames)


def clip_indices(windows: MomentWindows, clip: ClipSpec, number: int) -> Int[np.ndarray, "c t"]:
    """Return the frame indices of the clips of one moment.

    In a window shorter than a clip they exceed its end; the reader repeats the last frame there.
    """
    extent_of_clip = extent(clip.frames, clip.stride)
    count = max(1, round(windows.frames / extent_of_clip))
    spans = evenly_spaced_spans(windows.frames, count, frames=clip.frames, stride=clip.stride)
    indices: Int[np.ndarray, "c t"] = windows.start[number] + spans
    return indices


def mean_direction(clips: Float32[np.ndarray, "m c d"]) -> Float32[np.ndarray, "m d"]:
    """Return the embedding of every moment: the mean direction of its clips.

    Args:
        clips: Embeddings of c clips of m moments, of any length.

    Returns:
        Unit vectors; a moment whose clips cancel each other out has a zero vector.
    """
    return normalise(normalise(clips).mean(axis=1)).astype(np.float32)
