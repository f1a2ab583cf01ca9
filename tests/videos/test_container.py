"""Opening files: which stream is the video, and what must not reach FFmpeg."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.errors import VideoError
from slic.videos.container import (
    PLAYLISTS,
    is_utf8,
    open_container,
    read_packets,
    refuse_playlists,
    select_stream,
    video_streams,
)

MakeVideo = Callable[..., Path]
COLOURS = "color=red:s=64x48:d=0.4", "color=blue:s=128x96:d=0.4"


def test_the_largest_stream_comes_first(tmp_path: Path, ffmpeg: Any) -> None:
    path = tmp_path / "a.mkv"
    small, large = ("-f lavfi -i " + colours for colours in COLOURS)
    maps = "-map 0:v -map 1:v -disposition:v 0"
    ffmpeg.run(*f"{small} {large} {maps}".split(), str(path))
    with open_container(path) as container:
        assert [stream.width for stream in video_streams(container)] == [128, 64]


def test_the_default_track_is_taken_before_a_slightly_larger_one(
    tmp_path: Path, ffmpeg: Any
) -> None:
    path = tmp_path / "a.mkv"
    small, large = ("-f lavfi -i " + colours for colours in COLOURS)
    flags = "-map 0:v -map 1:v -disposition:v:0 default -disposition:v:1 0"
    ffmpeg.run(*f"{small} {large} {flags}".split(), str(path))
    with open_container(path) as container:
        assert [stream.width for stream in video_streams(container)] == [64, 128]


def test_only_packets_of_the_selected_stream_are_read(tmp_path: Path, ffmpeg: Any) -> None:
    path = tmp_path / "a.mkv"
    small, large = ("-f lavfi -i " + colours for colours in COLOURS)
    ffmpeg.run(*f"{small} {large} -map 0:v -map 1:v".split(), str(path))
    with open_container(path) as container:
        stream = video_streams(container)[0]
        select_stream(container, stream)
        packets = list(read_packets(container, stream))
        assert {packet.stream.index for packet in packets} == {stream.index}
        assert len(packets) == 10
        assert stream.codec_context.thread_count == 1


def test_a_file_that_is_cut_off_gives_the_packets_before(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    path = make_video(tmp_path / "a.mkv", frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_container(path) as container:
        assert 0 < len(list(read_packets(container, video_streams(container)[0]))) < 30


@pytest.mark.parametrize("beginning", PLAYLISTS)
def test_a_playlist_is_refused(tmp_path: Path, beginning: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\n" + beginning + b" version 1.0")
    with pytest.raises(VideoError, match=r"a\.mp4: a playlist, not a video"):
        refuse_playlists(path)


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    assert not is_utf8(path)
    with pytest.raises(VideoError, match="its name is not UTF-8; rename it"):
        refuse_playlists(path)


def test_what_fails_in_an_open_file_is_an_error_of_that_file(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    path = make_video(tmp_path / "a:b.mp4", frames=3)  # not a protocol
    with pytest.raises(VideoError, match=r"a:b\.mp4: no such place"), open_container(path):
        raise ValueError("no such place")
