"""Motion JPEG in AVI, written by us and read without a decoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.errors import VideoError
from slic.videos import motion_jpeg
from slic.videos.sources import as_rgb

MakeVideo = Callable[..., Path]


@pytest.fixture
def frames() -> np.ndarray:
    """Return smooth pictures, each brighter than the one before."""
    rows = np.linspace(0, 80, 32)[:, None, None]
    steps = 8 * np.arange(12)[:, None, None, None]
    return np.broadcast_to(rows + steps, (12, 32, 48, 3)).astype(np.uint8)


def write(path: Path, frames: np.ndarray) -> Path:
    motion_jpeg.write(path, frames, fps=25.0, quality=95, origin="of a.mp4")
    return path


def read(path: Path, places: list[int], frames: int = 12) -> list[np.ndarray]:
    given = motion_jpeg.read(path, places, frames=frames)
    assert given is not None
    return [as_rgb(frame) for frame in given]


def test_what_is_written_is_read(tmp_path: Path, frames: np.ndarray) -> None:
    path = write(tmp_path / "a.mp4", frames)
    assert motion_jpeg.origin_of(path) == "of a.mp4"
    for place, frame in zip([0, 5, 11], read(path, [0, 5, 11]), strict=True):
        assert np.abs(frame.astype(int) - frames[place]).mean() < 2


def test_ffmpeg_reads_it_too(tmp_path: Path, frames: np.ndarray, ffmpeg: Any) -> None:
    path = write(tmp_path / "a.avi", frames)
    shown = ffmpeg.frames(path, (48, 32))
    assert np.abs(shown.astype(int) - frames).mean() < 2
    assert ffmpeg.seconds(path) == pytest.approx(np.arange(12) / 25)


def test_other_files_are_read_another_way(
    tmp_path: Path, frames: np.ndarray, make_video: MakeVideo
) -> None:
    other = make_video(tmp_path / "b.avi", frames=12, codec="mjpeg", pixels="yuvj420p")
    assert motion_jpeg.read(other, [0], frames=12) is None
    assert motion_jpeg.origin_of(other) is None
    assert motion_jpeg.origin_of(tmp_path / "gone.avi") is None
    ours = write(tmp_path / "a.avi", frames)
    assert motion_jpeg.read(ours, [0], frames=13) is None  # its index lacks one
    ours.write_bytes(ours.read_bytes()[:-100])
    assert motion_jpeg.read(ours, [0], frames=12) is None


def test_a_damaged_picture_is_an_error(tmp_path: Path, frames: np.ndarray) -> None:
    path = write(tmp_path / "a.avi", frames)
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\xd8", data.index(b"movi"))
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"a\.avi: the picture at byte \d+ does not decode"):
        read(path, [0])
    assert len(read(path, [1])) == 1


def test_the_quality_costs_bytes(frames: np.ndarray) -> None:
    few, many = (len(motion_jpeg.encoded(frames[0], quality=quality)) for quality in (30, 95))
    assert few < many
