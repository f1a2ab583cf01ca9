"""Moments cover their video, and cover the clips of the cells that they overlap."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.search.moments import (
    MomentWindows,
    default_window_seconds,
    mean_direction,
    moment_windows,
    union_of_ranges,
)

FRAME_STEPS = st.lists(st.sampled_from([0.01, 1 / 30, 0.04, 0.1, 0.7]), min_size=1, max_size=150)


def constant_rate(total: int, fps: float) -> np.ndarray:
    return np.arange(total + 1) / fps


def variable_rate(steps: list[float], start: float) -> np.ndarray:
    """Return edges whose last frame lasts as long as the median one."""
    return start + np.cumsum([0.0, *steps, float(np.median(steps))])


def slow_clips(
    edges: np.ndarray, clip: ClipSpec, start: float, end: float, *, window: float, stride: float
) -> dict[int, float]:
    """Return first frames and weights of the clips of a moment, one cell after another."""
    frame = edges[-1] - edges[-2]
    length = (clip.frames - 1) * clip.stride + 1
    window, stride = max(window, length * frame), max(stride, frame)
    cell = min(window / max(1, round(window / (length * frame))), stride)
    weights: dict[int, float] = {}
    for number in range(math.ceil((edges[-1] - edges[0]) / cell) + 1):
        left = edges[0] + number * cell
        inside = min(end, left + cell) - max(start, left)
        if inside <= 1e-6:
            continue
        shown = max(i for i in range(len(edges) - 1) if edges[i] <= left + cell / 2 + 1e-6)
        first = max(0, min(shown - (length - 1) // 2, len(edges) - 1 - length))
        weights[first] = weights.get(first, 0.0) + inside
    return weights


def clips_of(windows: MomentWindows, number: int) -> dict[int, float]:
    """Return first frames and weights of the clips of a moment."""
    spans = windows.spans[windows.first[number] : windows.end[number]]
    return dict(zip(spans[:, 0].tolist(), windows.weights[number].tolist(), strict=True))


@given(
    total=st.integers(1, 400),
    fps=st.floats(5, 60),
    frames=st.integers(2, 16),
    stride=st.integers(1, 4),
    window=st.floats(0.05, 5),
    step=st.floats(0.01, 5),
)
def test_moments_cover_the_video(
    total: int, fps: float, frames: int, stride: int, window: float, step: float
) -> None:
    shape = ClipSpec(frames=frames, stride=stride, size=32)
    edges = constant_rate(total, fps)
    cut = moment_windows(edges, shape, window_seconds=window, stride_seconds=step)
    start, end = cut.seconds.T
    assert start[0] == 0
    assert end[-1] == pytest.approx(total / fps, abs=2e-6)  # the last ends with the video
    length = min(total / fps, max(((frames - 1) * stride + 1) / fps, window))
    assert end - start == pytest.approx(length, abs=0.51 / fps + 2e-6)
    apart, step = np.diff(start), max(step, 1 / fps)
    assert (apart >= min(step, 0.5 / fps) - 2e-6).all()
    assert (apart <= step + 0.5 / fps + 2e-6).all()
    assert start[:-1] == pytest.approx(np.arange(len(start) - 1) * step, abs=2e-6)


@given(
    steps=FRAME_STEPS,
    origin=st.sampled_from([0.0, 0.52]),
    stride=st.integers(1, 3),
    window=st.floats(0.1, 4),
    step=st.floats(0.1, 4),
)
def test_a_moment_covers_the_clips_of_the_cells_that_it_overlaps(
    steps: list[float], origin: float, stride: int, window: float, step: float
) -> None:
    clip = ClipSpec(frames=4, stride=stride, size=32)
    edges = variable_rate(steps, origin)
    cut = moment_windows(edges, clip, window_seconds=window, stride_seconds=step)
    covered = [clips_of(cut, number) for number in range(len(cut.seconds))]
    for clips, (start, end) in zip(covered, cut.seconds.tolist(), strict=True):
        expected = slow_clips(edges, clip, start, end, window=window, stride=step)
        assert clips == pytest.approx(expected, abs=5e-6)
    assert (np.diff(cut.spans, axis=1) == stride).all()
    assert (
        sorted({start for clips in covered for start in clips}) == cut.spans[:, 0].tolist()
    )  # each once, and no other


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 30])
def test_a_usual_moment_covers_three_clips_and_halves_their_number(fps: float) -> None:
    """Three clips fit into 2 s, so the grid has 1.5 a second, where moments of their own need 3."""
    clip = ClipSpec(frames=round(0.64 * fps), stride=1, size=64)
    cut = moment_windows(
        constant_rate(round(100 * fps), fps), clip, window_seconds=2.0, stride_seconds=1.0
    )
    in_cells = [weights / (2 / 3) for weights in cut.weights]
    for number, weights in enumerate(in_cells[:-1]):
        assert weights == pytest.approx([1, 1, 1] if number % 2 == 0 else [0.5, 1, 1, 0.5])
    assert len(cut.spans) == pytest.approx(150, abs=1)
    assert len(cut.seconds) == pytest.approx(99, abs=1)


def test_the_clips_of_a_video_of_25_frames_per_second_by_hand() -> None:
    clip = ClipSpec(frames=16, stride=1, size=64)
    cut = moment_windows(constant_rate(75, 25), clip, window_seconds=2.0, stride_seconds=1.0)
    # The middles of the cells are 1/3, 1, 5/3, 7/3 and 3 s, on frames 8, 25, 41, 58 and, past the
    # end, 74. A clip of 16 frames starts 7 before, and the last is moved into the video.
    assert cut.spans[:, 0].tolist() == [1, 18, 34, 51, 59]
    assert cut.seconds.tolist() == [[0.0, 2.0], [1.0, 3.0]]
    assert (cut.first.tolist(), cut.end.tolist()) == ([0, 1], [3, 5])
    assert cut.weights[0] == pytest.approx([2 / 3] * 3)
    assert cut.weights[1] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_a_part_from_start_to_end_of_a_moment_has_its_clips() -> None:
    clip = ClipSpec(frames=16, stride=1, size=64)
    edges = constant_rate(250, 25)
    cut = partial(moment_windows, edges, clip, window_seconds=2.0, stride_seconds=1.0)
    whole = cut()
    for number, (start, end) in enumerate(whole.seconds.tolist()):
        part = cut(part=(start, end))
        assert part.seconds.tolist() == [[start, end]]
        assert clips_of(part, 0) == clips_of(whole, number)
    short = cut(part=(5.0, 5.1))  # inside one cell
    assert list(clips_of(short, 0)) == [125 - 7]


def test_the_default_window_holds_a_clip_at_its_own_rate() -> None:
    assert default_window_seconds(ClipSpec(frames=16, fps=5.0, size=64)) == pytest.approx(3.2)
    assert default_window_seconds(ClipSpec(frames=16, fps=50.0, size=64)) == 2.0


def test_moments_that_are_far_apart_do_not_read_the_clips_between() -> None:
    clip = ClipSpec(frames=16, stride=1, size=64)
    cut = moment_windows(constant_rate(1000, 25), clip, window_seconds=2.0, stride_seconds=10.0)
    assert len(cut.seconds) == 5
    assert len(cut.spans) == 3 * 5


def test_a_still_frame_has_one_clip_however_long_it_lasts() -> None:
    clip = ClipSpec(frames=4, stride=1, size=32)
    edges = variable_rate([0.04] * 50 + [60.0] + [0.04] * 50, 0.0)
    cut = moment_windows(edges, clip, window_seconds=2.0, stride_seconds=1.0)
    assert len(cut.seconds) == 64
    assert len(cut.spans) < 60
    assert list(clips_of(cut, 30)) == [50 - 1]


def test_a_short_video_is_one_moment() -> None:
    cut = moment_windows(
        constant_rate(5, 25),
        ClipSpec(frames=16, stride=2, size=64),
        window_seconds=2.0,
        stride_seconds=1.0,
    )
    assert cut.seconds.tolist() == [[0.0, 0.2]]
    assert cut.spans.tolist() == [list(range(0, 32, 2))]  # the reader repeats the last frame


def test_a_window_of_nothing_is_refused() -> None:
    for window, stride in ((0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(SearchError, match=r"must be at least 0\.001"):
            moment_windows(
                constant_rate(9, 25),
                ClipSpec(frames=4, stride=1, size=32),
                window_seconds=window,
                stride_seconds=stride,
            )


def test_the_usual_window_is_two_seconds_or_a_clip() -> None:
    assert default_window_seconds(ClipSpec(frames=16, stride=1, size=64)) == 2.0
    assert default_window_seconds(ClipSpec(frames=16, stride=5, size=64)) == pytest.approx(76 / 25)


def test_union_of_ranges_by_hand() -> None:
    assert union_of_ranges(np.array([0, 2, 9]), np.array([3, 4, 10])).tolist() == [0, 1, 2, 3, 9]


def test_mean_direction_by_hand() -> None:
    clips = np.array([[3.0, 0.0], [0.0, 0.5]], dtype=np.float32)
    assert mean_direction(clips, np.ones(2), {"embedding": 2}) == pytest.approx(
        np.array([0.5**0.5, 0.5**0.5])
    )
    assert mean_direction(clips, np.array([3.0, 4.0]), {"embedding": 2}) == pytest.approx(
        np.array([0.6, 0.8])
    )
    zero = np.array([[0.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    assert mean_direction(zero, np.ones(2), {"embedding": 2}).tolist() == [0, 1]
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    assert mean_direction(opposite, np.ones(2), {"embedding": 2}).tolist() == [0, 0]


def test_each_part_of_a_moment_has_its_own_mean_direction() -> None:
    clips = np.array([[3, 0, 0, 5], [0, 1, 0, 5]], dtype=np.float32)
    parts = {"appearance": 2, "motion": 2}
    assert mean_direction(clips, np.array([3.0, 4.0]), parts) == pytest.approx(
        np.array([0.6, 0.8, 0.0, 1.0])
    )
