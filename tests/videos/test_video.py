"""Times of frames, and the row that caches keep."""

from pathlib import Path

import numpy as np
import pytest

from slic.videos.inspection import inspect_video
from slic.videos.video import Video


def plain(frames: int = 50, fps: float = 25.0) -> Video:
    return Video(id="a", path=Path("a"), frames=frames, fps=fps, width=64, height=48)


@pytest.fixture
def uneven(tmp_path: Path, make_video: object) -> Video:
    times = [0, 500, 540, 580, 3000, 3040]  # milliseconds
    path = make_video(tmp_path / "a.mkv", frames=6, times=times)  # type: ignore[operator]
    return inspect_video(path, "a.mkv")


def test_without_a_timeline_times_follow_from_the_rate() -> None:
    video = plain()
    assert video.times == pytest.approx(np.arange(50) / 25)
    assert (video.duration_seconds, video.end_seconds) == (2.0, 2.0)
    assert [video.frame_at(video.time_of(frame)) for frame in range(50)] == [*range(50)]


def test_a_frame_stays_until_the_next(uneven: Video) -> None:
    assert [uneven.frame_at(s) for s in (-1.0, 0.0, 0.499, 0.5, 2.99, 3.0, 9.0)] == [
        0, 0, 0, 1, 3, 4, 5,
    ]  # fmt: skip
    assert uneven.duration_seconds == pytest.approx(3.08)  # the last lasts as the median one
    assert uneven.fps == pytest.approx(6 / 3.08)


def test_a_video_is_the_same_after_a_row(uneven: Video) -> None:
    for video in (uneven, plain()):
        assert Video.from_row(video.to_row(), id=video.id, path=video.path) == video
