"""Choose the frame indices of a clip. Pure arithmetic: no video is opened.

A clip has ``frames`` frames, one every ``stride`` frames. Its extent is the number of video frames
from its first to its last, ``(frames - 1) * stride + 1``. If a video is shorter than the extent,
the indices continue past its end. The reader then repeats the last frame.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

Span = Int[np.ndarray, " t"]
Spans = Int[np.ndarray, "count t"]


class SpanPair(NamedTuple):
    """Frame indices of an anchor clip and of its positive clip.

    Attributes:
        anchor: Frame indices in the anchor's video.
        positive: Frame indices in the positive's video, which may be the same one.
        overlap: True if one video is too short for both clips, so they share frames.
    """

    anchor: Span
    positive: Span
    overlap: bool


@runtime_checkable
class PairPlacement(Protocol):
    """A function that places the anchor clip and the positive clip in their videos."""

    def __call__(
        self,
        *,
        anchor_video_frames: int,
        positive_video_frames: int,
        same_video: bool,
        frames: int,
        stride: int,
        rng: np.random.Generator,
    ) -> SpanPair:
        """Draw the frame indices of both clips.

        Args:
            anchor_video_frames: Number of frames of the anchor's video.
            positive_video_frames: Number of frames of the positive's video.
            same_video: Whether both clips come from one video.
            frames: Number of frames of a clip.
            stride: Distance between the frames of a clip, in frames of the video.
            rng: Source of the draws.
        """
        ...


def extent(frames: int, stride: int) -> int:
    """Return the number of video frames from the first to the last frame of a clip.

    Raises:
        ValueError: ``frames`` or ``stride`` is below 1.
    """
    if frames < 1 or stride < 1:
        raise ValueError(f"a clip of {frames} frames at stride {stride}: both must be at least 1")
    return (frames - 1) * stride + 1


def centre_span(total: int, *, frames: int, stride: int) -> Span:
    """Return the frame indices of the clip in the middle of a video of ``total`` frames."""
    return _span(_last_start(total, frames, stride) // 2, frames, stride)


def evenly_spaced_spans(total: int, count: int, *, frames: int, stride: int) -> Spans:
    """Return ``count`` clips, evenly spaced from the start to the end of a video.

    With extent L and T frames in total, the centres are ``linspace(L/2, T - L/2, count)``
    (retrieval protocol ``paper``). The starts are rounded down. A single clip is the centre clip,
    where ``linspace`` would give the first one.

    Args:
        total: Number of frames of the video.
        count: Number of clips, at least 1.
        frames: Number of frames of a clip.
        stride: Distance between the frames of a clip.
    """
    if count < 1:
        raise ValueError(f"{count} clips of a video: at least 1 is needed")
    if count == 1:
        return centre_span(total, frames=frames, stride=stride)[None]
    # Integer arithmetic: in floating point a start can fall just below a whole number.
    start = np.arange(count) * _last_start(total, frames, stride) // (count - 1)
    spans: Spans = start[:, None] + _span(0, frames, stride)
    return spans


def sliding_spans(total: int, *, frames: int, stride: int) -> Spans:
    """Return the half-overlapping windows of a whole video (Han et al., CoCLR, NeurIPS 2020).

    A window covers ``W = frames * stride`` frames. Windows start at frame 0 and then every
    ``max(1, W // 2 - 1)`` frames, as long as they end inside the video. A video of at most W frames
    has one window.
    """
    window = extent(frames, stride) + stride - 1
    start = np.arange(0, max(0, total - window) + 1, max(1, window // 2 - 1))
    spans: Spans = start[:, None] + _span(0, frames, stride)
    return spans


def half_overlapping_spans(total: int, *, frames: int, stride: int) -> Spans:
    """Return clips that cover a whole video, each sharing half of its frames with the next.

    Clips start at frame 0 and then every ``stride * max(1, frames // 2)`` frames. If they leave
    frames at the end, a last clip that ends with the video is added. So a video has at least one
    clip, and every frame on the stride is used.
    """
    last = _last_start(total, frames, stride)
    start = np.arange(0, last + 1, stride * max(1, frames // 2))
    if start[-1] != last:
        start = np.append(start, last)
    spans: Spans = start[:, None] + _span(0, frames, stride)
    return spans


def random_span(total: int, *, frames: int, stride: int, rng: np.random.Generator) -> Span:
    """Draw one clip, uniformly over all positions where it fits."""
    start = int(rng.integers(_last_start(total, frames, stride) + 1))
    return _span(start, frames, stride)


def random_pair(total: int, *, frames: int, stride: int, rng: np.random.Generator) -> SpanPair:
    """Draw an anchor and a positive of one video, uniformly over all pairs without overlap.

    Either may come first. If the video is too short for two clips, they lie at its two ends, in
    random order. They then share as few frames as possible, and ``overlap`` is true.

    Args:
        total: Number of frames of the video.
        frames: Number of frames of a clip.
        stride: Distance between the frames of a clip.
        rng: Source of the draws.
    """
    length, last = extent(frames, stride), _last_start(total, frames, stride)
    spare = total - 2 * length
    if spare < 0:
        first, second = (0, last) if rng.integers(2) == 0 else (last, 0)
    else:
        # Remove length - 1 frames of the earlier clip from between the two starts. Pairs without
        # overlap, in either order, then correspond one to one to ordered pairs of different
        # numbers in 0 .. spare + 1.
        first, second = int(rng.integers(spare + 2)), int(rng.integers(spare + 1))
        second += second >= first
        if first < second:
            second += length - 1
        else:
            first += length - 1
    return SpanPair(_span(first, frames, stride), _span(second, frames, stride), spare < 0)


def random_placement(
    *,
    anchor_video_frames: int,
    positive_video_frames: int,
    same_video: bool,
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> SpanPair:
    """Place anchor and positive at random (the paper's method).

    In one video they do not overlap, see :func:`random_pair`. In two videos they are independent,
    each uniform over all positions. The arguments are those of :class:`PairPlacement`.
    """
    if same_video:
        return random_pair(anchor_video_frames, frames=frames, stride=stride, rng=rng)
    anchor = random_span(anchor_video_frames, frames=frames, stride=stride, rng=rng)
    positive = random_span(positive_video_frames, frames=frames, stride=stride, rng=rng)
    return SpanPair(anchor, positive, overlap=False)


def official_placement(
    *,
    anchor_video_frames: int,  # noqa: ARG001 (the anchor always starts at frame 0)
    positive_video_frames: int,
    same_video: bool,  # noqa: ARG001 (one rule for both cases)
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> SpanPair:
    """Place anchor and positive as the code of the SLIC authors does.

    The anchor is the first clip of its video. The positive is drawn uniformly from the positions
    after the first ``extent`` frames of its video. The arguments are those of
    :class:`PairPlacement`.

    Raises:
        ValueError: The positive's video is too short for two clips. The authors drop such videos.
    """
    length = extent(frames, stride)
    last = _last_start(positive_video_frames, frames, stride)
    if last < length:
        raise ValueError(
            f"a video of {positive_video_frames} frames is too short for two clips of {length}"
        )
    positive = int(rng.integers(length, last + 1))
    return SpanPair(_span(0, frames, stride), _span(positive, frames, stride), overlap=False)


def _span(start: int, frames: int, stride: int) -> Span:
    return start + stride * np.arange(frames)


def _last_start(total: int, frames: int, stride: int) -> int:
    """Return the last frame at which a clip can start; 0 if the video is shorter than the clip."""
    if total < 1:
        raise ValueError(f"a video of {total} frames holds no clip")
    return max(0, total - extent(frames, stride))
