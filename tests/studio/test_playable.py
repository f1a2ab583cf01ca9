"""Browsers are sent the files that they play."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from slic.search import IndexedVideo
from slic.studio import playable
from slic.studio.playable import fits_grid, playable_media_type


@pytest.mark.parametrize(
    ("start", "media_type"), [("walk", "video/mp4"), ("run", "video/webm"), ("jump", None)]
)
def test_h264_and_vp8_play_and_xvid_does_not(
    video_of: Callable[[str], IndexedVideo], start: str, media_type: str | None
) -> None:
    assert playable_media_type(video_of(start).file) == media_type


@pytest.mark.parametrize(("pixels", "media_type"), [("yuv420p", "video/mp4"), ("yuv444p", None)])
def test_h264_with_unusual_pixels_does_not_play(
    tmp_path: Path, pixels: str, media_type: str | None
) -> None:
    with av.open(str(tmp_path / "video.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixels
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        file.mux([*stream.encode(picture), *stream.encode(None)])
    assert playable_media_type(tmp_path / "video.mp4") == media_type


def test_a_file_that_is_not_a_video_does_not_play(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    for path in (tmp_path / "text.mp4", tmp_path / "missing.mp4", tmp_path):
        assert playable_media_type(path) is None


def test_a_large_or_missing_file_does_not_fit_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playable, "MAX_GRID_FILE_BYTES", 10)
    for size in (10, 11):
        (tmp_path / "file").write_bytes(b"x" * size)
        assert fits_grid(tmp_path / "file") == (size == 10)
    assert not fits_grid(tmp_path / "missing")
