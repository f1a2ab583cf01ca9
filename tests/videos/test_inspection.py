"""What is found out of one file, and in which words it is refused."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.errors import VideoError
from slic.videos import inspection
from slic.videos.inspection import inspect_video, is_transport_stream

MakeVideo = Callable[..., Path]


def refusal(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        inspect_video(path, path.name)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_video_is_described(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.mp4", frames=30, fps=24)
    video = inspect_video(path, "set/a.mp4")
    assert (video.id, video.frames, video.fps, video.width, video.height) == (
        "set/a.mp4", 30, 24.0, 160, 120,
    )  # fmt: skip
    assert video.duration_seconds == pytest.approx(30 / 24)


def test_a_folder_of_pictures_is_described(tmp_path: Path, make_frames: MakeVideo) -> None:
    video = inspect_video(make_frames(tmp_path / "walk", frames=5), "walk")
    assert (video.frames, video.fps, video.width, video.timeline) == (5, 25.0, 64, b"")


def test_the_measured_rate_wins_over_a_declared_one(tmp_path: Path, make_video: MakeVideo) -> None:
    times = list(range(0, 3000, 100))  # declared as 25 frames a second
    video = inspect_video(make_video(tmp_path / "a.mkv", frames=30, times=times), "a.mkv")
    assert video.fps == pytest.approx(10)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no video at all", "not a video file, whatever its name says"),
        (b"OggS nothing", "a damaged Ogg file, or one without a video track"),
        (b"\x1a\x45\xdf\xa3nothing", "a damaged Matroska file, or one without a video track"),
        (b"\0\0\0\x10ftypisom\0\0\0\0", "cut off or never finished"),
    ],
)
def test_the_reason_is_in_plain_words(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert refusal(path).startswith(reason)


def test_a_file_with_one_frame_has_no_motion(tmp_path: Path, make_video: MakeVideo) -> None:
    assert refusal(make_video(tmp_path / "a.mp4", frames=1)) == "only one frame, so no motion"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    assert refusal(tmp_path / "a.mp4") == "neither a file nor a folder"


def test_a_missing_file_is_the_fault_of_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file or directory") as caught:
        inspect_video(tmp_path / "a.mp4", "a.mp4")
    assert isinstance(caught.value.__cause__, OSError)


def test_an_index_after_the_pictures_is_found(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.mp4", frames=3)
    assert inspection._has_index(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not inspection._has_index(path)


def test_transport_streams_are_known_by_their_packets(tmp_path: Path, ffmpeg: Any) -> None:
    path = tmp_path / "a.ts"
    ffmpeg.run("-f", "lavfi", "-i", "testsrc=d=0.2", str(path))
    head = path.read_bytes()[:256]
    assert is_transport_stream(head)
    assert is_transport_stream(b"\0\0\0\0" + head[:188] + b"\0\0\0\0" + head[188:])  # M2TS
    assert not is_transport_stream(b"import { G } from './a';" * 20)
