"""Which moments a video has, and which clips each is embedded from.

A moment is a window of the video. One starts every ``stride_seconds``, and a last one ends with the
video. Clips lie on a grid of the video, by presentation time. Each clip is embedded once, and
serves all moments that cover it:

- A window of W seconds has space for ``n = max(1, round(W / L))`` clips of L seconds side by side.
  The cells of the grid are ``W / n`` long, or as the stride of the moments if that is smaller. Each
  cell has the clip around its middle.
- A moment covers the clips of the cells that it overlaps. That is n cells of ``W / n`` in all:
  three clips of 16 frames in a window of 2 s at 25 frames per second, in cells of 2/3 s.
- The embedding of a moment is the mean direction of its clips, as in the retrieval protocol of the
  paper, for each part of the vector. A clip weighs as much as its cell lies in the moment.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.clips.fixed_rate import frame_edges
from slic.clips.spans import extent
from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.neighbours.rows import normalise, slices_of
from slic.search.repository.schema import MAX_SECONDS, MIN_SECONDS
from slic.videos.video import Video

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
        weights: Weights of the clips of every moment: seconds of their cells that lie in it.
    """

    seconds: Float[np.ndarray, "m 2"]
    spans: Int[np.ndarray, "c t"]
    first: Int[np.ndarray, " m"]
    end: Int[np.ndarray, " m"]
    weights: tuple[Float[np.ndarray, " k"], ...]


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
    """Check that the length and the stride of moments are what an index can have.

    Raises:
        SearchError: One is not.
    """
    if not all(MIN_SECONDS <= x <= MAX_SECONDS for x in (window_seconds, stride_seconds)):
        raise SearchError(
            f"window_seconds {window_seconds:g}, stride_seconds {stride_seconds:g}: "
            f"both must be at least {MIN_SECONDS:g} and at most {MAX_SECONDS:,.0f}."
        )


def video_windows(
    video: Video,
    clip: ClipSpec,
    *,
    window_seconds: float,
    stride_seconds: float,
    part: tuple[float, float] | None = None,
) -> MomentWindows:
    """Return the moments of a video and their clips; see `moment_windows`."""
    return moment_windows(
        frame_edges(video, clip.fps),
        clip,
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        part=part,
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
    cell = min(window / max(1, round(window / clip_seconds)), stride)
    overlaps = [_cells(s - edges[0], e - edges[0], cell) for s, e in seconds.tolist()]
    cells = np.unique(np.concatenate([numbers for numbers, _ in overlaps]))
    starts = _clip_starts(edges, edges[0] + (cells + 0.5) * cell, clip)
    distinct, position = np.unique(starts, return_inverse=True)
    clips = [position[np.searchsorted(cells, numbers)] for numbers, _ in overlaps]
    return MomentWindows(
        seconds,
        distinct[:, None] + clip.stride * np.arange(clip.frames),
        np.array([covered[0] for covered in clips]),
        np.array([covered[-1] + 1 for covered in clips]),
        tuple(
            np.bincount(covered - covered[0], weights=weights)
            for covered, (_, weights) in zip(clips, overlaps, strict=True)
        ),
    )


def union_of_ranges(
    first: Int[np.ndarray, " m"], end: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " n"]:
    """Return the numbers, ascending, that lie in any of the ranges from ``first`` to ``end``."""
    ranges = [np.arange(a, b) for a, b in zip(first.tolist(), end.tolist(), strict=True)]
    union: Int[np.ndarray, " n"] = np.unique(np.concatenate(ranges))
    return union


def mean_direction(
    clips: Float32[np.ndarray, "c d"],
    weights: Float[np.ndarray, " c"],
    parts: Mapping[str, int],
) -> Float32[np.ndarray, " d"]:
    """Return the vector of a moment: of each part, the weighted mean direction of its clips.

    Args:
        clips: Embeddings of the clips, of any length.
        weights: Weights of the clips, above 0.
        parts: Names and lengths of the parts of an embedding.

    Returns:
        Parts of length 1, joined. A part is zero if it is in all clips, or if they cancel out.
    """
    direction = np.empty(clips.shape[1], np.float32)
    for part in slices_of(parts).values():
        mean = np.average(normalise(clips[:, part]), axis=0, weights=weights)
        direction[part] = normalise(mean)
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


def _cells(
    start: float, end: float, cell: float
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the numbers of the cells that a window overlaps, and for how many seconds each."""
    first = math.floor((start + _TOLERANCE_SECONDS) / cell)
    after = max(first + 1, math.ceil((end - _TOLERANCE_SECONDS) / cell))
    numbers = np.arange(first, after)
    inside = np.minimum(end, (numbers + 1) * cell) - np.maximum(start, numbers * cell)
    return numbers, inside


def _clip_starts(
    edges: Float[np.ndarray, " edges"], centres: Float[np.ndarray, " c"], clip: ClipSpec
) -> Int[np.ndarray, " c"]:
    """Return the first frames of clips around times, moved into the video where they exceed it."""
    length = extent(clip.frames, clip.stride)
    shown = np.searchsorted(edges[:-1], centres + _TOLERANCE_SECONDS, side="right") - 1
    last = max(0, len(edges) - 1 - length)
    starts: Int[np.ndarray, " c"] = np.clip(shown - (length - 1) // 2, 0, last)
    return starts
