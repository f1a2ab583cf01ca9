"""Frames one by one, resized while they are read."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.errors import VideoError
from slic.videos.inspection import inspect_video
from slic.videos.sources import as_rgb, resize, resized_frames

MakeVideo = Callable[..., Path]


@pytest.mark.parametrize("kind", ["file", "pictures"])
def test_the_frames_at_the_places_are_given(
    kind: str,
    tmp_path: Path,
    make_video: MakeVideo,
    make_frames: MakeVideo,
    shown_number: Callable[[np.ndarray], int],
) -> None:
    make = make_video if kind == "file" else make_frames
    path = make(tmp_path / ("a.mp4" if kind == "file" else "a"), frames=20)
    frames = list(resized_frames(inspect_video(path, "a"), [2, 3, 17], (80, 60)))
    assert [shown_number(frame) for frame in frames] == [2, 3, 17]
    assert {frame.shape for frame in frames} == {(60, 80, 3)}
    red, _, blue = frames[0][:10].mean(axis=(0, 1))
    assert red > blue + 50  # RGB


def test_a_turned_video_has_the_size_that_was_asked_for(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    video = inspect_video(make_video(tmp_path / "a.mp4", frames=3, quarter_turn=True), "a")
    (frame,) = resized_frames(video, [1], (60, 90))
    assert frame.shape == (90, 60, 3)


def test_no_place_opens_no_file(tmp_path: Path, make_video: MakeVideo) -> None:
    video = inspect_video(make_video(tmp_path / "a.mp4", frames=3), "a")
    video.path.unlink()
    assert list(resized_frames(video, [], (8, 6))) == []


def test_a_picture_that_is_gone_is_an_error(tmp_path: Path, make_frames: MakeVideo) -> None:
    video = inspect_video(make_frames(tmp_path / "a", frames=3), "a")
    with pytest.raises(VideoError, match="frame 3 does not decode"):
        list(resized_frames(video, [3], (8, 6)))


def test_halving_is_the_mean_of_areas() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    means = frame.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize(frame, (16, 12)) - means).max() <= 1  # rounded twice
    assert resize(frame, (64, 48)) is frame
    linear = cv2.resize(frame, (50, 40), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize(frame, (50, 40)), linear)


def test_channels_are_swapped() -> None:
    frame = np.zeros((1, 1, 3), np.uint8)
    frame[..., 0] = 9
    assert as_rgb(frame).tolist() == [[[0, 0, 9]]]
