"""Which frames are read, at which size, and of which kinds of video."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import VideoError
from slic.videos.frames import PastEnd, read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

MakeVideo = Callable[..., Path]
ShownNumber = Callable[[np.ndarray], int]
B_FRAMES = {"bf": "3", "g": "12"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def plain(folder: Path, make_video: MakeVideo) -> Video:
    path = make_video(folder / "plain.mp4", frames=30, options=B_FRAMES)
    return inspect_video(path, "plain.mp4")


def test_rotated_video_keeps_the_channels_and_its_right_way_up(
    folder: Path, make_video: MakeVideo
) -> None:
    path = make_video(folder / "upright.mp4", frames=2, quarter_turn=True)
    frame = read_frames(inspect_video(path, "upright.mp4"), [0])[0]
    assert frame.shape == (160, 120, 3)
    assert np.abs(frame[80, -10].astype(int) - (170, 90, 40)).max() < 4  # its top is at the right


@pytest.mark.parametrize(
    ("policy", "shown"), [("repeat-last", [28, 29, 29]), ("loop", [28, 29, 5])]
)
def test_past_the_end(
    plain: Video, policy: PastEnd, shown: list[int], shown_number: ShownNumber
) -> None:
    frames = read_frames(plain, [28, 29, 35], past_end=policy)
    assert [shown_number(frame) for frame in frames] == shown


def test_past_the_end_can_be_an_error(plain: Video) -> None:
    with pytest.raises(VideoError, match=r"plain\.mp4: frame 35 .* has 30 frames"):
        read_frames(plain, [3, 35], past_end="error")
    with pytest.raises(ValueError, match="frame -1"):
        read_frames(plain, [-1])


@given(indices=st.lists(st.integers(0, 70), max_size=6))
def test_order_and_repeats_are_kept(
    indices: list[int], plain: Video, shown_number: ShownNumber
) -> None:
    shown = [shown_number(frame) for frame in read_frames(plain, indices, past_end="loop")]
    assert shown == [i % 30 for i in indices]


@pytest.mark.parametrize(
    ("size", "method"), [((80, 60), cv2.INTER_AREA), ((171, 128), cv2.INTER_LINEAR)]
)
def test_frames_are_resized(plain: Video, size: tuple[int, int], method: int) -> None:
    small = read_frames(plain, [7, 3], size=size)
    truth = [cv2.resize(f, size, interpolation=method) for f in read_frames(plain, [7, 3])]
    np.testing.assert_array_equal(small, truth)


def test_seconds_give_the_frames_on_display(
    tmp_path: Path, make_video: MakeVideo, shown_number: ShownNumber
) -> None:
    times = [0, 500, 540, 580, 3000, 3040]  # milliseconds
    video = inspect_video(make_video(tmp_path / "a.mkv", frames=6, times=times), "a.mkv")
    assert video.times == pytest.approx(np.array(times) / 1000)
    frames = read_frames(video, seconds=[0.0, 0.49, 0.5, 2.9, 3.0, 99.0])
    assert [shown_number(frame) for frame in frames] == [0, 0, 1, 3, 4, 5]
    with pytest.raises(ValueError, match="either indices or seconds"):
        read_frames(video, [0], seconds=[0.0])


def test_streaming_gives_the_same_frames(plain: Video) -> None:
    streamed = list(stream_frames(plain, [3, 4, 20], size=(80, 60)))
    np.testing.assert_array_equal(streamed, read_frames(plain, [3, 4, 20], size=(80, 60)))


def test_no_index_gives_no_frame(plain: Video) -> None:
    assert read_frames(plain, []).shape == (0, 120, 160, 3)


def test_a_video_that_lost_frames_since_the_scan_is_named(plain: Video) -> None:
    with pytest.raises(VideoError, match=r"plain\.mp4: frame 30 does not decode"):
        read_frames(replace(plain, frames=40), [2, 30])


@pytest.mark.parametrize("name", ["{:04d}.png", "image_{:05d}.jpg", "frame{:06d}.jpg", "v2_{}.bmp"])
def test_folder_of_frames(
    name: str, tmp_path: Path, make_frames: MakeVideo, shown_number: ShownNumber
) -> None:
    folder = make_frames(tmp_path / "video.one", frames=12, name=name)
    video = inspect_video(folder, "video.one")
    assert (video.frames, video.width, video.height, video.fps) == (12, 64, 48, 25.0)
    shown = [shown_number(frame) for frame in read_frames(video, [11, 0, 9, 10, 13])]
    assert shown == [11, 0, 9, 10, 11]
    frame = read_frames(video, [4])[0]
    assert np.abs(frame[3, 30].astype(int) - (170, 90, 40)).max() < 16  # RGB, and the right way up


def test_folder_of_frames_with_alpha_grey_and_16_bits(
    tmp_path: Path, shown_number: ShownNumber, make_frames: MakeVideo
) -> None:
    folder = make_frames(tmp_path / "mixed", frames=4, name="{}.png")
    picture = cv2.imread(str(folder / "2.png"))
    assert picture is not None
    cv2.imwrite(str(folder / "2.png"), cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA))
    cv2.imwrite(str(folder / "3.png"), cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    cv2.imwrite(str(folder / "4.png"), picture.astype(np.uint16) * 257)
    frames = read_frames(inspect_video(folder, "mixed"), range(4))
    assert [shown_number(frame) for frame in frames] == [0, 1, 1, 1]
    np.testing.assert_array_equal(frames[1], frames[3])


def test_a_frame_of_a_folder_that_does_not_decode_is_named(
    tmp_path: Path, make_frames: MakeVideo
) -> None:
    folder = make_frames(tmp_path / "video", frames=4)
    video = inspect_video(folder, "video")
    (folder / "image_00003.jpg").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="frame 2 does not decode"):
        read_frames(video, [0, 2])


@pytest.mark.parametrize("playlist", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n{}\n"])
def test_a_playlist_shows_no_other_files_frames(
    playlist: str, plain: Video, tmp_path: Path
) -> None:
    sly = tmp_path / "sly.mp4"
    shutil.copy(plain.path, tmp_path / "other.mp4")
    sly.write_text(playlist.format("other.mp4"))
    with pytest.raises(VideoError, match="a playlist, not a video"):
        inspect_video(sly, sly.name)
    with pytest.raises(VideoError, match="a playlist, not a video"):
        read_frames(replace(plain, path=sly), [0])


def test_a_name_that_is_not_utf_8_is_an_error_and_no_crash(plain: Video, tmp_path: Path) -> None:
    strange = tmp_path / "\udcff.mp4"
    shutil.copy(plain.path, strange)
    with pytest.raises(VideoError, match="its name is not UTF-8; rename it"):
        inspect_video(strange, "strange")


def test_a_picture_of_a_folder_that_has_become_a_folder_is_named(
    tmp_path: Path, make_frames: MakeVideo
) -> None:
    folder = make_frames(tmp_path / "frames", frames=6)
    video = inspect_video(folder, "frames")
    (folder / "image_00003.jpg").unlink()
    (folder / "image_00003.jpg").mkdir()
    with pytest.raises(VideoError, match=r"image_00003\.jpg: is a directory"):
        read_frames(video, [0, 2])
