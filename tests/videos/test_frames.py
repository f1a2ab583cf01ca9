"""Whatever the format, frame i is the picture that was written as number i."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import VideoError
from slic.videos import frames as frames_module, stamped
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

FRAMES = 100
MakeVideo = Callable[..., Path]
ShownNumber = Callable[[np.ndarray], int]

_rng = np.random.default_rng(7)
UNEVEN = [0, *accumulate(int(step) for step in _rng.choice([20, 33, 40, 80, 200], FRAMES - 1))]
ONE_LATE = [40 * i + (400 if i > 60 else 0) for i in range(FRAMES)]
B_FRAMES = {"bf": "3", "g": "12"}
AV1 = {"preset": "8", "g": "24", "svtav1-params": "lp=1"}

FORMATS: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"options": B_FRAMES},
    "one_key_frame.mp4": {"options": {"bf": "3", "g": "250"}},
    "open_gop.mkv": {"options": {"bf": "3", "g": "24", "x264-params": "open-gop=1"}},
    "intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=24"}},
    "h264.avi": {"options": B_FRAMES},
    "h264.mov": {"options": B_FRAMES},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}},
    "mpeg4.m4v": {"codec": "mpeg4", "options": {"g": "12"}},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": AV1},
    "av1.webm": {"codec": "libsvtav1", "options": AV1},
    "av1_uneven.mkv": {"codec": "libsvtav1", "options": AV1, "times": UNEVEN},
    "av1_turned.mp4": {"codec": "libsvtav1", "options": AV1, "quarter_turn": True},
    "alpha.webm": {
        "codec": "libvpx-vp9",
        "pixels": "yuva420p",
        "options": {"deadline": "realtime", "cpu-used": "8"},
    },
    "mpeg1.mpg": {"codec": "mpeg1video", "options": {"bf": "2", "g": "12"}},
    "mpeg2.mpeg": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "interlaced.mp4": {"options": {**B_FRAMES, "flags": "+ildct+ilme"}},
    "interlaced.mpg": {"codec": "mpeg2video", "options": {"g": "12", "flags": "+ildct+ilme"}},
    "interlaced.avi": {"codec": "mpeg4", "options": {"g": "12", "flags": "+ildct+ilme"}},
    "moving.gif": {"codec": "gif", "pixels": "bgr8"},
    "uneven.mkv": {"times": UNEVEN, "options": B_FRAMES},
    "uneven.mp4": {"times": UNEVEN, "options": B_FRAMES},
    "one_late.mkv": {"times": ONE_LATE, "options": B_FRAMES},
    "starts_late.mkv": {"times": [1000 + 40 * i for i in range(FRAMES)], "options": B_FRAMES},
    "turned.mp4": {"quarter_turn": True, "options": B_FRAMES},
    "odd_size.mkv": {"size": (161, 121), "pixels": "yuv444p"},
    "grey.mkv": {"pixels": "gray"},
    "ten_bits.mp4": {"pixels": "yuv420p10le", "options": B_FRAMES},
    "hevc_ten_bits.mp4": {
        "codec": "libx265",
        "pixels": "yuv420p10le",
        "options": {"x265-params": "log-level=none:keyint=24"},
    },
    "straße 動画 %03d 'a:b'.mp4": {"options": B_FRAMES},
    f"{'long' * 60}.mp4": {"options": B_FRAMES},
}
NEVER_JUMPED = {
    "mpeg1.mpg",
    "mpeg2.mpeg",
    "mpeg2.ts",
    "interlaced.mpg",
    "interlaced.avi",
    "uneven.mkv",
    "uneven.mp4",
    "one_late.mkv",
    "av1_uneven.mkv",
}
NO_STAMPS = {"h264.avi", "mpeg4_b_frames.avi", "mjpeg.avi", "moving.gif"}
OTHER_ROUNDING = {"ten_bits.mp4", "hevc_ten_bits.mp4"}  # of the colours
NEVER_STAMPED = NEVER_JUMPED | NO_STAMPS | OTHER_ROUNDING


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def plain(folder: Path, make_video: MakeVideo) -> Video:
    path = make_video(folder / "plain.mp4", frames=30, options=B_FRAMES)
    return inspect_video(path, "plain.mp4")


def read_from_the_start(path: Path) -> list[np.ndarray]:
    """Decode everything with OpenCV's plainest loop, or PyAV's where OpenCV does it wrong."""
    if path.name.startswith(("av1", "interlaced")):
        turns = -1 if path.name == "av1_turned.mp4" else 0
        with av.open(str(path)) as container:
            pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        return [np.rot90(picture, turns) for picture in pictures]
    capture = cv2.VideoCapture(str(path))
    frames: list[np.ndarray] = []
    while True:
        decoded, frame = capture.read()
        if not decoded or frame is None:
            return frames
        frames.append(frame[..., ::-1])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_numbered_pictures(
    name: str, folder: Path, make_video: MakeVideo, shown_number: ShownNumber
) -> None:
    path = make_video(folder / name, frames=FRAMES, **FORMATS[name])
    video = inspect_video(path, name)
    truth = read_from_the_start(path)
    upright = [np.rot90(f) if name.endswith("turned.mp4") else f for f in truth]
    assert [shown_number(frame) for frame in upright] == list(range(FRAMES))
    assert (video.frames, video.height, video.width) == (FRAMES, *truth[0].shape[:2])
    assert video.seekable == (name not in NEVER_JUMPED)
    assert video.stamped == (name not in NEVER_STAMPED)
    rng = np.random.default_rng(0)
    assert video.interlaced == name.startswith("interlaced")
    for way in {video, replace(video, stamped=False), replace(video, interlaced=None)}:
        for start in [*rng.integers(0, FRAMES, 6), FRAMES - 1]:  # each from a new opening
            np.testing.assert_array_equal(read_frames(way, [int(start)])[0], truth[start])
        indices = rng.integers(0, FRAMES, 12)
        np.testing.assert_array_equal(read_frames(way, indices), [truth[i] for i in indices])
    streamed = list(stream_frames(video, [3, 50, 51], size=(video.width, video.height)))
    np.testing.assert_array_equal(streamed, [truth[i] for i in (3, 50, 51)])


@pytest.fixture(scope="module")
def jumps(folder: Path, make_video: MakeVideo) -> tuple[Video, list[np.ndarray]]:
    path = make_video(folder / "jumps.mp4", frames=200, options=B_FRAMES)
    return inspect_video(path, "jumps.mp4"), read_from_the_start(path)


@pytest.mark.parametrize("by_stamp", [True, False])
def test_jumping_from_every_distance(jumps: tuple[Video, list[np.ndarray]], by_stamp: bool) -> None:
    scanned, truth = jumps
    assert (scanned.seekable, scanned.keyframe_gap, scanned.stamped) == (True, 12, True)
    video = replace(scanned, stamped=by_stamp)
    for first in range(0, 200, 9):  # 12 and 9: every phase of the key frames
        places = [p for p in (first, first + 1, first + 23, first + 95) if p < 200]
        np.testing.assert_array_equal(read_frames(video, places), [truth[p] for p in places])


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
    plain: Video, policy: decoding.PastEnd, shown: list[int], shown_number: ShownNumber
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
    with pytest.raises(VideoError, match=r"image_00003\.jpg does not decode"):
        inspect_video(folder, "video")


def test_frames_are_read_by_their_time_stamps_where_the_scan_allows_it(
    plain: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_frames(replace(plain, stamped=False), [20, 3], size=(80, 60))
    monkeypatch.setattr(decoding, "opened", None)  # OpenCV must not be needed
    np.testing.assert_array_equal(read_frames(plain, [20, 3], size=(80, 60)), expected)


@given(places=st.lists(st.integers(0, 199), min_size=1, max_size=30))
def test_time_stamps_and_reading_from_the_start_give_the_same(
    places: list[int], jumps: tuple[Video, list[np.ndarray]]
) -> None:
    video, truth = jumps
    for read, place in zip(read_frames(video, places), places, strict=True):
        np.testing.assert_array_equal(read, truth[place])


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_places_far_apart_are_jumped_between(
    suffix: str, tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / f"long.{suffix}", frames=200, options=B_FRAMES)
    jump, jumps = stamped._jump, list[int]()

    def counted(container: InputContainer, stream: VideoStream, stamp: int) -> None:
        jumps.append(stamp)
        jump(container, stream, stamp)

    monkeypatch.setattr(stamped, "_jump", counted)
    assert len(list(stamped.read(path, [5, 6, 14, 100, 101, 190], fps=25.0))) == 6
    assert len(jumps) == 3  # 14 is too near


def test_a_file_that_was_changed_after_the_scan_is_read_from_the_start(
    plain: Video, tmp_path: Path, make_video: MakeVideo, shown_number: ShownNumber
) -> None:
    slow = make_video(tmp_path / "slow.mp4", frames=30, times=[80 * i for i in range(30)])
    video = replace(plain, path=slow)  # PyAV finds every second number only
    with pytest.raises(VideoError, match=r"slow\.mp4: there is no frame 3"):
        list(stamped.read(slow, [3, 4], fps=plain.fps))
    assert [shown_number(f) for f in read_frames(replace(video, seekable=False), [3, 4])] == [3, 4]
    with pytest.raises(VideoError, match=r"plain\.mp4: it ends before frame 30"):
        list(stamped.read(plain.path, [28, 30], fps=plain.fps))


@pytest.mark.parametrize("playlist", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n{}\n"])
def test_a_playlist_shows_no_other_files_frames(
    playlist: str, plain: Video, tmp_path: Path
) -> None:
    sly = tmp_path / "sly.mp4"
    shutil.copy(plain.path, tmp_path / "other.mp4")
    sly.write_text(playlist.format("other.mp4"))
    with pytest.raises(VideoError, match="not a video file, whatever its name says"):
        inspect_video(sly, sly.name)
    with pytest.raises(VideoError, match="a playlist, not a video"):
        read_frames(replace(plain, path=sly), [0])
    with pytest.raises(VideoError, match="a playlist, not a video"):
        list(stamped.read(sly, [0], fps=plain.fps))


def test_a_name_that_is_not_utf_8_is_an_error_and_no_crash(plain: Video, tmp_path: Path) -> None:
    strange = tmp_path / "\udcff.mp4"
    shutil.copy(plain.path, strange)
    with pytest.raises(VideoError, match="its name is not UTF-8; rename it"):
        inspect_video(strange, "strange")


def test_frames_of_a_stream_that_starts_late_and_unevenly_are_the_right_ones(
    tmp_path: Path, make_video: MakeVideo, shown_number: ShownNumber
) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first, jitter = ((17, 17), (10, 12))[seed % 2]
        times = [first, *(40 * i + int(rng.integers(-jitter, jitter + 1)) for i in range(1, 100))]
        path = make_video(tmp_path / "late.mkv", frames=100, times=times, options=B_FRAMES)
        video = inspect_video(path, path.name)
        for way in {video, replace(video, stamped=False)}:
            for place in range(2, 99, 3):  # each from a new opening
                assert shown_number(read_frames(way, [place])[0]) == place


def test_a_title_in_another_encoding_changes_nothing(plain: Video, tmp_path: Path) -> None:
    title = tmp_path / "title.mkv"
    with av.open(str(plain.path)) as source, av.open(str(title), "w") as copy:
        copy.metadata["title"] = "Caf_"
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    title.write_bytes(title.read_bytes().replace(b"Caf_", b"Caf\xe9"))
    assert inspect_video(title, "title.mkv").stamped


def test_a_picture_of_a_folder_that_has_become_a_folder_is_named(
    tmp_path: Path, make_frames: MakeVideo
) -> None:
    folder = make_frames(tmp_path / "frames", frames=6)
    video = inspect_video(folder, "frames")
    (folder / "image_00003.jpg").unlink()
    (folder / "image_00003.jpg").mkdir()
    with pytest.raises(VideoError, match=r"image_00003\.jpg: is a directory"):
        read_frames(video, [0, 2])
