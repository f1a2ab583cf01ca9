"""Which moments a video has, and which clips each is embedded from.

A moment is a window of the video. One starts every ``stride_seconds``, and a last one ends with the
video. Clips lie on a grid of the video, by presentation time. Each clip is embedded once, and
serves all moments that cover it:

- A window of W seconds has room for ``n = max(1, round(W / L))`` clips of L seconds side by side.
  The spacing of the grid is ``W / n``, or the stride of the moments if that is smaller.
- A moment covers the clips whose centre lies in it. That is n clips at the spacing ``W / n``: three
  clips of 16 frames in a window of 2 s at 25 frames per second, with a spacing of 2/3 s.
- The embedding of a moment is the mean direction of its clips, as in the retrieval protocol of the
  paper.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.clips.spans import extent
from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.neighbours.rows import normalise

MIN_DEFAULT_WINDOW_SECONDS = 2.0
_TYPICAL_FPS = 25.0
_TOLERANCE_SECONDS = 1e-6  # sums of seconds are not exact in binary


class MomentWindows(NamedTuple):
    """The moments of one video, or of a part of it.

    Attributes:
        seconds: Presentation times of start and end of every moment; both ascend.
        spans: Indices of the frames of every clip that a moment covers, counted as in
            the edges. The clips ascend and differ.
        first: First clip of every moment, a position in ``spans``.
        end: The position after its last clip.
    """

    seconds: Float[np.ndarray, "m 2"]
    spans: Int[np.ndarray, "c t"]
    first: Int[np.ndarray, " m"]
    end: Int[np.ndarray, " m"]


def default_window_seconds(clip: ClipSpec) -> float:
    """Return the length of a moment if none is given.

    Returns:
        2 s, or the length of a clip if that is longer: at its own rate, or in a video of 25 frames
        per second.
    """
    return max(
        MIN_DEFAULT_WINDOW_SECONDS, extent(clip.frames, clip.stride) / (clip.fps or _TYPICAL_FPS)
    )


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
    edges: Float[np.ndarray, " edges"],
    clip: ClipSpec,
    *,
    window_seconds: float,
    stride_seconds: float,
    part: tuple[float, float] | None = None,
) -> MomentWindows:
    """Return the moments of a video and their clips.

    A window is never shorter than a clip and never longer than the video. A video shorter than a
    clip has one moment, which is all of it.

    Args:
        edges: Times of the frames that clips are cut from, in seconds, and the end of the last; see
            `slic.clips.fixed_rate.frame_edges`.
        clip: The encoder's clips.
        window_seconds: Length of a moment.
        stride_seconds: Time from the start of one moment to the next, at least that of one frame.
        part: Start and end of a part of the video, which is cut instead. The grid stays that of the
            video, so a part from the start to the end of a moment has the clips of that moment.

    Raises:
        SearchError: A window or stride that is not above 0.
    """
    check_window(window_seconds, stride_seconds)
    frame_seconds = float(edges[-1] - edges[-2])  # the last frame lasts as long as the median one
    clip_seconds = extent(clip.frames, clip.stride) * frame_seconds
    window, stride = max(window_seconds, clip_seconds), max(stride_seconds, frame_seconds)
    start, end = part or (float(edges[0]), float(edges[-1]))
    seconds = _cut(start, end, window=window, stride=stride, tolerance=frame_seconds / 2)
    spacing = min(window / max(1, round(window / clip_seconds)), stride)
    offset = edges[0] + _grid_offset(spacing, stride)
    centres = np.arange(offset, edges[-1], spacing)
    first, after = np.searchsorted(centres, seconds.T - _TOLERANCE_SECONDS)
    if (first == after).any():  # one moment, shorter than the spacing
        centres, first, after = seconds.mean(axis=1), np.array([0]), np.array([1])
    covered = union_of_ranges(first, after)
    starts, position = np.unique(_clip_starts(edges, centres[covered], clip), return_inverse=True)
    return MomentWindows(
        seconds,
        starts[:, None] + clip.stride * np.arange(clip.frames),
        position[np.searchsorted(covered, first)],
        position[np.searchsorted(covered, after - 1)] + 1,
    )


def union_of_ranges(
    first: Int[np.ndarray, " m"], end: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " n"]:
    """Return the numbers, ascending, that lie in any of the ranges from ``first`` to ``end``."""
    ranges = [np.arange(a, b) for a, b in zip(first.tolist(), end.tolist(), strict=True)]
    union: Int[np.ndarray, " n"] = np.unique(np.concatenate(ranges))
    return union


def mean_direction(clips: Float32[np.ndarray, "c d"]) -> Float32[np.ndarray, " d"]:
    """Return the embedding of a moment: the mean direction of its clips.

    Args:
        clips: Embeddings of the clips, of any length.

    Returns:
        A unit vector, or a zero vector if the clips cancel each other out.
    """
    direction: Float32[np.ndarray, " d"] = normalise(normalise(clips).mean(axis=0)).astype(
        np.float32
    )
    return direction


def _cut(
    start: float, end: float, *, window: float, stride: float, tolerance: float
) -> Float[np.ndarray, "m 2"]:
    """Return start and end of windows; the last is moved by the tolerance rather than repeated."""
    if end - start - window < tolerance:
        return np.array([[start, end]])
    last = end - window
    starts = start + np.arange(int((last - start) / stride + _TOLERANCE_SECONDS) + 1) * stride
    starts = starts[:-1] if len(starts) > 1 and last - starts[-1] < tolerance else starts
    starts = np.append(starts, last)
    return np.stack([starts, starts + window], axis=1).round(6)


def _grid_offset(spacing: float, stride: float) -> float:
    """Return the time from the start of the video to the centre of the first clip.

    It is half a spacing if moments start on the grid. Otherwise it is a quarter: moments that start
    half a spacing off the grid then have clips that are as well centred as those of the others.
    """
    steps = stride / spacing
    return spacing / (2 if abs(steps - round(steps)) < _TOLERANCE_SECONDS else 4)


def _clip_starts(
    edges: Float[np.ndarray, " edges"], centres: Float[np.ndarray, " c"], clip: ClipSpec
) -> Int[np.ndarray, " c"]:
    """Return the first frames of clips around times, moved into the video where they exceed it."""
    length = extent(clip.frames, clip.stride)
    shown = np.searchsorted(edges[:-1], centres + _TOLERANCE_SECONDS, side="right") - 1
    last = max(0, len(edges) - 1 - length)
    starts: Int[np.ndarray, " c"] = np.clip(shown - (length - 1) // 2, 0, last)
    return starts
