"""Moments cover their video, stand where they should, and are embedded by the mean direction."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import SearchError
from slic.models.backbones import ClipSpec
from slic.search.moments import (
    clip_indices,
    default_window_seconds,
    mean_direction,
    moment_windows,
)
from slic.videos.video import Video


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
    cut = moment_windows(total, fps, shape, window_seconds=window, stride_seconds=step)
    clip = (frames - 1) * stride + 1
    assert cut.start[0] == 0
    assert cut.start[-1] + cut.frames == total  # the last ends with the video
    assert cut.frames == min(total, max(clip, round(window * fps)))
    apart = np.diff(cut.start)
    assert (apart >= 1).all()
    assert (apart <= max(1, round(step * fps) + 1)).all()
    on_grid = np.arange(len(cut.start) - 1) * step * fps
    if step * fps >= 1:
        assert np.abs(cut.start[:-1] - on_grid).max(initial=0) <= 0.5 + 1e-9
    video = Video(id="a", path=Path("a"), frames=total, fps=fps, width=64, height=48)
    seconds = cut.seconds(video)
    assert seconds[0, 0] == 0
    assert seconds[-1, 1] == pytest.approx(total / fps)


@given(total=st.integers(1, 200), window=st.floats(0.1, 4), number=st.integers(0, 1000))
def test_clips_lie_inside_their_moment(total: int, window: float, number: int) -> None:
    shape = ClipSpec(frames=4, stride=2, size=32)
    cut = moment_windows(total, 25.0, shape, window_seconds=window, stride_seconds=window / 2)
    number %= len(cut.start)
    indices = clip_indices(cut, shape, number) - cut.start[number]
    assert (np.diff(indices, axis=1) == 2).all()
    assert indices.min() >= 0
    assert len(indices) == max(1, round(cut.frames / 7))
    if cut.frames >= 7:
        assert indices.max() < cut.frames  # in a shorter one the reader repeats the last frame


def test_a_short_video_is_one_moment() -> None:
    cut = moment_windows(
        5, 25.0, ClipSpec(frames=16, stride=2, size=64), window_seconds=2.0, stride_seconds=1.0
    )
    assert (cut.start.tolist(), cut.frames) == ([0], 5)


def test_a_window_of_nothing_is_refused() -> None:
    for window, stride in ((0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(SearchError, match="must be above 0"):
            moment_windows(
                9,
                25.0,
                ClipSpec(frames=4, stride=1, size=32),
                window_seconds=window,
                stride_seconds=stride,
            )


def test_the_usual_window_is_two_seconds_or_a_clip() -> None:
    assert default_window_seconds(ClipSpec(frames=16, stride=1, size=64)) == 2.0
    assert default_window_seconds(ClipSpec(frames=16, stride=5, size=64)) == pytest.approx(76 / 25)


def test_mean_direction_by_hand() -> None:
    clips = np.array([[[3.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 2.0]]], dtype=np.float32)
    assert mean_direction(clips) == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
