"""Browsers are sent files or previews that they play, and the cache of previews is bounded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.search import IndexedVideo
from slic.studio.previews import (
    PREVIEW_HEIGHT,
    PREVIEW_WIDTH,
    PreviewCache,
    _preview_size,
    encode_preview,
    encode_thumbnail,
    playable_media_type,
)
from slic.videos.frames import read_frames


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 60)), max_size=40))
def test_the_cache_agrees_with_a_plain_list(requests: list[tuple[int, int]]) -> None:
    cache = PreviewCache(max_bytes=100)
    kept: list[tuple[int, bytes]] = []  # the least recently used first
    for key, size in requests:
        made: list[int] = []

        def make(size: int = size, made: list[int] = made) -> bytes:
            made.append(size)
            return b"x" * size

        got = cache.get(key, make)
        before = [value for held, value in kept if held == key]
        assert got == (before[0] if before else b"x" * size)
        assert bool(made) != bool(before)
        kept = [(held, value) for held, value in kept if held != key] + [(key, got)]
        while sum(len(value) for _, value in kept) > 100:
            kept.pop(0)


def test_a_preview_larger_than_the_cache_is_returned() -> None:
    cache = PreviewCache(max_bytes=100)
    cache.get("small", lambda: b"small")
    assert cache.get("large", lambda: b"x" * 101) == b"x" * 101
    assert cache.get("small", lambda: b"new") == b"small"


@pytest.mark.parametrize("start", ["jump", "walk", "quotes"])
def test_a_preview_of_any_file_is_h264_of_the_span(
    video_of: Callable[[str], IndexedVideo], tmp_path: Path, start: str
) -> None:
    video = video_of(start).video
    (tmp_path / "preview.mp4").write_bytes(
        encode_preview(video, start_seconds=0.4, end_seconds=1.4)
    )
    with av.open(str(tmp_path / "preview.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    expected = read_frames(video, np.arange(10, 35))
    assert len(pictures) == 25
    assert np.abs(np.stack(pictures).astype(int) - expected).mean() < 6


def test_a_long_span_skips_frames_and_keeps_its_duration(
    video_of: Callable[[str], IndexedVideo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slic.studio.previews.MAX_PREVIEW_FRAMES", 20)
    data = encode_preview(video_of("walk").video, start_seconds=0.0, end_seconds=3.0)
    (tmp_path / "preview.mp4").write_bytes(data)
    with av.open(str(tmp_path / "preview.mp4")) as file:
        frames = list(file.decode(video=0))
        assert len(frames) == 20
        assert file.duration is not None
        assert file.duration / av.time_base == pytest.approx(3.0, abs=0.02)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 1e6])
def test_a_thumbnail_is_the_frame_at_the_time(
    video_of: Callable[[str], IndexedVideo], seconds: float
) -> None:
    video = video_of("walk").video
    data = np.frombuffer(encode_thumbnail(video, seconds=seconds), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    picture = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    (expected,) = read_frames(video, [min(round(seconds * video.fps), video.frames - 1)])
    assert np.abs(picture.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (101, 33)])
def test_a_preview_fits_its_box_in_even_numbers(
    video_of: Callable[[str], IndexedVideo], width: int, height: int
) -> None:
    fitted = _preview_size(replace(video_of("walk").video, width=width, height=height))
    assert fitted[0] <= PREVIEW_WIDTH
    assert fitted[1] <= PREVIEW_HEIGHT
    assert all(side % 2 == 0 for side in fitted)
    assert fitted[0] / fitted[1] == pytest.approx(width / height, rel=0.06)


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
