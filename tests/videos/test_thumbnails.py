"""Filmstrips show the middle of the video at natural speed, whole and undistorted."""

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.evaluation.mean_frame import mean_frame_vectors
from slic.videos.thumbnails import filmstrip, middle_indices, small_filmstrip
from slic.videos.video import Video


def video(frames: int = 90, fps: float = 30.0, width: int = 320, height: int = 240) -> Video:
    return Video(
        id="a.mp4",
        path=Path("a.mp4"),
        frames=frames,
        fps=fps,
        width=width,
        height=height,
    )


def grey_by_index(
    video: Video, indices: np.ndarray | Sequence[int], *, size: tuple[int, int]
) -> np.ndarray:
    """Frame i is a grey of value 100 + i, of the size that was asked for."""
    assert min(indices) >= 0
    assert max(indices) < video.frames
    return np.stack([np.full((size[1], size[0], 3), 100 + i, dtype=np.uint8) for i in indices])


def decode(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.split(",")[1]), dtype=np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture)


def test_frames_stand_side_by_side_in_order() -> None:
    strip = filmstrip(video(), grey_by_index, frames=12, size=(40, 30))
    picture = decode(strip.uri)
    assert picture.shape == (30, 480, 3)
    middle = picture[15, 20::40].mean(axis=1)
    assert middle == pytest.approx(100 + middle_indices(video(), 12), abs=3)
    assert strip.seconds == pytest.approx(1.5)


def test_a_tall_video_is_shown_whole_between_dark_bars() -> None:
    picture = decode(filmstrip(video(width=90, height=120), grey_by_index, frames=1).uri)
    assert picture.shape == (108, 144, 3)
    assert (picture[:, 2:25] < 60).all()
    assert (picture[:, 35:105] > 90).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 17, 45, 90])
@pytest.mark.parametrize("fps", [5.0, 12.5, 30.0, 60.0])
def test_indices_are_the_middle_at_eight_frames_a_second(frames: int, fps: float) -> None:
    indices = middle_indices(video(frames=frames, fps=fps), 12)
    assert 1 <= len(indices) <= 12
    assert indices.min() >= 0
    assert indices.max() < frames
    assert abs(indices[0] - (frames - 1 - indices[-1])) <= 1
    if len(indices) > 1:
        assert np.abs(np.diff(indices) - max(1.0, fps / 8)).max() <= 1.0


def test_small_filmstrips_are_small() -> None:
    assert len(small_filmstrip(video(), grey_by_index).uri) < 6000


def test_mean_frame_vectors_by_hand() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (40, 24, 32, 3), dtype=np.uint8)

    def read(_: Video, indices: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
        assert size == (32, 24)
        return np.asarray(frames[indices])

    (vector,) = mean_frame_vectors([video(frames=32)], read)
    mean = frames[:32].astype(float).mean(axis=0)
    grey = (0.299 * mean[..., 0] + 0.587 * mean[..., 1] + 0.114 * mean[..., 2]).ravel()
    assert vector == pytest.approx((grey - grey.mean()) / grey.std(), abs=1e-3)


def test_mean_frames_do_not_see_brightness_and_survive_one_grey() -> None:
    vectors = mean_frame_vectors([video(frames=1), video(frames=100)], grey_by_index)
    assert vectors.shape == (2, 768)
    assert np.abs(vectors).max() < 1e-3


@pytest.mark.parametrize("between", [(0.5, 2.0), (1.0, 1.05), (1.9, 99.0), (-3.0, 0.4)])
def test_a_strip_of_a_part_stays_inside_it(between: tuple[float, float]) -> None:
    short = video(frames=50, fps=25.0)
    indices = middle_indices(short, 12, between_seconds=between)
    low, high = max(0, round(between[0] * 25)), min(50, max(1, round(between[1] * 25)))
    assert len(indices) == max(1, min(12, int((high - low) / (25 / 8))))
    assert low <= indices.min()
    assert indices.max() < high
    assert abs(indices.mean() - (low + high - 1) / 2) <= 0.5
