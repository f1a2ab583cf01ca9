"""Which frames make a clip: pure arithmetic on frame numbers, no video is opened.

A clip is ``frames`` frames taken every ``stride`` frames. It covers ``extent`` frames of the video,
``(frames - 1) * stride + 1``. Where a video of ``total`` frames is shorter than that, the indices
run past its end, and the policy of the reader (`past_end`) says what stands there.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

Placement = Literal["random", "official"]  # see `random_pair` and `official_pair`


class SpanPair(NamedTuple):
    """Two clips of one video, as frame numbers.

    ``overlap`` is true when the video is too short to hold both side by side; the caller counts it.
    """

    anchor: Int[np.ndarray, " t"]
    positive: Int[np.ndarray, " t"]
    overlap: bool


def extent(frames: int, stride: int) -> int:
    """Return how many frames of the video a clip covers, from its first to its last."""
    if frames < 1 or stride < 1:
        raise ValueError(f"a clip of {frames} frames at stride {stride}: both must be at least 1")
    return (frames - 1) * stride + 1


def centre_span(total: int, *, frames: int, stride: int) -> Int[np.ndarray, " t"]:
    """Return the frames of the clip in the middle of a video of ``total`` frames."""
    return _span(_last_start(total, frames, stride) // 2, frames, stride)


def evenly_spaced_spans(
    total: int, count: int, *, frames: int, stride: int
) -> Int[np.ndarray, "count t"]:
    """Return ``count`` clips from the first to the last that fits (retrieval protocol ``paper``).

    With L the extent and T the total, their centres are ``linspace(L/2, T - L/2, count)`` and their
    starts are rounded down. A single clip stands in the middle, where linspace has the first.
    """
    if count < 1:
        raise ValueError(f"{count} clips of a video: at least 1 is needed")
    if count == 1:
        return centre_span(total, frames=frames, stride=stride)[None]
    # Whole numbers: the floating-point line can fall a hair, hence a frame, short.
    start = np.arange(count) * _last_start(total, frames, stride) // (count - 1)
    spans: Int[np.ndarray, "count t"] = start[:, None] + _span(0, frames, stride)
    return spans


def sliding_spans(total: int, *, frames: int, stride: int) -> Int[np.ndarray, "count t"]:
    """Return the half-overlapping windows of a whole video (Han et al., CoCLR, NeurIPS 2020).

    A window spans ``W = frames * stride`` frames; one starts every ``max(1, W // 2 - 1)`` frames,
    from frame 0, while it ends inside the video. A video of at most W frames has one, at frame 0.
    """
    window = extent(frames, stride) + stride - 1
    start = np.arange(0, max(0, total - window) + 1, max(1, window // 2 - 1))
    spans: Int[np.ndarray, "count t"] = start[:, None] + _span(0, frames, stride)
    return spans


def half_overlapping_spans(total: int, *, frames: int, stride: int) -> Int[np.ndarray, "count t"]:
    """Return windows of a clip's length over a whole video, each sharing half with the next.

    One starts every ``stride * (frames // 2)`` frames (at least ``stride``), from frame 0; where
    those leave frames at the end, a last window that ends with the video is added. So every video
    has at least one, and every frame that the stride allows is seen.
    """
    last = _last_start(total, frames, stride)
    start = np.arange(0, last + 1, stride * max(1, frames // 2))
    if start[-1] != last:
        start = np.append(start, last)
    spans: Int[np.ndarray, "count t"] = start[:, None] + _span(0, frames, stride)
    return spans


def random_span(
    total: int, *, frames: int, stride: int, rng: np.random.Generator
) -> Int[np.ndarray, " t"]:
    """Draw one clip, uniformly over the places where it fits."""
    start = int(rng.integers(_last_start(total, frames, stride) + 1))
    return _span(start, frames, stride)


def random_pair(total: int, *, frames: int, stride: int, rng: np.random.Generator) -> SpanPair:
    """Draw an anchor and a positive that do not overlap, uniformly over all such placements.

    Either may come first. In a video too short for two clips they lie at its two ends, where they
    share as few frames as possible, in random order, and ``overlap`` is reported.
    """
    length, last = extent(frames, stride), _last_start(total, frames, stride)
    room = total - 2 * length
    if room < 0:
        first, second = (0, last) if rng.integers(2) == 0 else (last, 0)
    else:
        # Taking one clip's length out of the gap between the clips, less one, makes placements in
        # either order and ordered pairs of different numbers below room + 2 the same thing.
        one, other = int(rng.integers(room + 2)), int(rng.integers(room + 1))
        other += other >= one
        first, second = one, other
        if one < other:
            second += length - 1
        else:
            first += length - 1
    return SpanPair(_span(first, frames, stride), _span(second, frames, stride), room < 0)


def official_pair(total: int, *, frames: int, stride: int, rng: np.random.Generator) -> SpanPair:
    """Place a pair as the authors' code does: the anchor first, the positive anywhere after that.

    The anchor is the first clip of its video. The positive, of a video of ``total`` frames that may
    be another, is drawn uniformly from the places after its first ``extent`` frames.

    Raises:
        ValueError: The video is too short for two clips; the authors leave such videos out.
    """
    length, last = extent(frames, stride), _last_start(total, frames, stride)
    if last < length:
        raise ValueError(f"a video of {total} frames holds no two clips of {length}")
    positive = int(rng.integers(length, last + 1))
    return SpanPair(_span(0, frames, stride), _span(positive, frames, stride), overlap=False)


def _span(start: int, frames: int, stride: int) -> Int[np.ndarray, " t"]:
    return start + stride * np.arange(frames)


def _last_start(total: int, frames: int, stride: int) -> int:
    """Return the last frame at which a clip may start; 0 in a video shorter than the clip."""
    if total < 1:
        raise ValueError(f"a video of {total} frames holds no clip")
    return max(0, total - extent(frames, stride))
