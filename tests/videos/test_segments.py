"""Segments against plain loops over their definition, and against the frames of the file."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import RecipeError
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.orientation import Orientation
from slic.videos.segments import Segment, cut, file_id
from slic.videos.timeline import Timeline
from slic.videos.video import Video

milliseconds = st.lists(st.integers(1, 900), min_size=1, max_size=60).map(
    lambda steps: [40, *(40 + np.cumsum(steps)).tolist()]
)


def video_with(times: list[int]) -> Video:
    """Return a video whose frames are shown at these milliseconds."""
    first = np.zeros(1, np.int64)  # decoding begins at packet 0
    timeline = Timeline(
        stream=0,
        time_base=Fraction(1, 1000),
        start=0,
        counted=False,
        skippable=True,
        by_position=False,
        orientation=Orientation(),
        stamps=np.array(times, np.int64),
        hidden=np.zeros(0, np.int64),
        **dict.fromkeys(["keys", "positions", "sizes", "key_pts", "key_dts"], first),
    )
    return replace(video_of(len(times)), timeline=timeline.packed())


def video_of(frames: int, name: str = "a.mkv") -> Video:
    """Return a video of 25 frames a second."""
    return Video(id=name, path=Path(name), frames=frames, fps=25.0, width=64, height=48)


def frames_of(segment: Segment) -> list[int]:
    return list(range(segment.first, segment.first + segment.frames))


def segments_by_loop(video: Video, seconds: float, stride: float) -> list[list[int]]:
    """Return the frames of each segment, the slow and obvious way."""
    start, end = video.time_of(0), video.end_seconds
    ranges = []
    for number in range(10_000):
        begin = start + number * stride
        if number > 0 and end - begin < seconds / 2 - 1e-9:
            break
        ranges.append((begin, begin + seconds))
    begin, until = ranges[-1]
    if end - until < seconds / 2 - 1e-9:
        ranges[-1] = (begin, end)
    within = [
        [f for f in range(video.frames) if begin - 1e-6 <= video.time_of(f) < until - 1e-6]
        for begin, until in ranges
    ]
    return [frames for frames in within if len(frames) >= 2]


@given(times=milliseconds, seconds=st.integers(1, 40), stride=st.integers(1, 60))
def test_segments_follow_their_definition(times: list[int], seconds: int, stride: int) -> None:
    video = video_with(times)
    found = list(cut(video, seconds / 10, stride=stride / 10))
    assert [frames_of(s) for s in found] == segments_by_loop(video, seconds / 10, stride / 10)
    assert len({segment.id for segment in found}) == len(found)


@given(times=milliseconds, seconds=st.integers(1, 40))
def test_without_overlap_a_frame_is_in_one_segment(times: list[int], seconds: int) -> None:
    video = video_with(times)
    found = list(cut(video, seconds / 10))
    frames = [frame for segment in found for frame in frames_of(segment)]
    assert len(frames) == len(set(frames))
    for segment in found:
        begin, end = map(float, segment.id.removeprefix("a.mkv#t=").split(","))
        assert [video.time_of(f) for f in frames_of(segment)] == segment.times.tolist()
        assert begin - 1e-3 <= segment.times[0]
        assert segment.times[-1] < end
        assert segment.end_seconds <= end + 1e-3  # ids have milliseconds
        assert end - begin < 1.5 * seconds / 10 + 1e-3 or len(found) == 1


@given(frames=st.integers(2, 400), seconds=st.integers(2, 40))
def test_at_a_constant_rate_no_frame_is_lost(frames: int, seconds: int) -> None:
    found = list(cut(video_of(frames), seconds / 10))
    assert [frame for segment in found for frame in frames_of(segment)] == list(range(frames))


def test_ids_and_lengths_by_hand() -> None:
    video = video_of(250, "b#t=1,2.mp4")
    whole = [segment.id for segment in cut(video, 4.0)]
    assert whole == ["b#t=1,2.mp4#t=0,4", "b#t=1,2.mp4#t=4,8", "b#t=1,2.mp4#t=8,10"]
    joined = [segment.id for segment in cut(video, 4.5)]
    assert joined == ["b#t=1,2.mp4#t=0,4.5", "b#t=1,2.mp4#t=4.5,10"]
    overlapping = [segment.frames for segment in cut(video, 4.0, stride=3.0)]
    assert overlapping == [100, 100, 100]  # 0 to 4, 3 to 7 and 6 to 10 s
    apart = [segment.id.partition("mp4#t=")[2] for segment in cut(video, 1.0, stride=5.0)]
    assert apart == ["0,1", "5,6"]
    assert {file_id(name) for name in whole} == {video.id} == {file_id(video.id)}


def test_a_gap_has_no_segment_and_a_segment_ends_in_it() -> None:
    video = video_with([0, 500, 1000, 9000, 9500])
    found = list(cut(video, 2.0))
    assert [frames_of(segment) for segment in found] == [[0, 1, 2], [3, 4]]
    assert found[0].duration_seconds == 2.0  # its last frame would stay for 8 s


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_lengths_that_cannot_be_are_refused(seconds: float) -> None:
    with pytest.raises(RecipeError, match=f"seconds is {seconds}"):
        list(cut(video_with([0, 40]), seconds))
    with pytest.raises(RecipeError, match=f"stride is {seconds}"):
        list(cut(video_with([0, 40]), 1.0, stride=seconds))


@pytest.mark.parametrize("times", [None, [0, 500, 540, 580, 900, 1400, 1440, 3000, 3040, 3080]])
def test_the_frames_of_a_segment_are_those_of_the_file(
    times: list[int] | None, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    video = inspect_video(make_video(tmp_path / "a.mkv", frames=10, times=times), "a.mkv")
    whole = read_frames(video, range(video.frames))
    for segment in cut(video, 0.2 if times is None else 1.0):
        own = whole[segment.first : segment.first + segment.frames]
        assert np.array_equal(read_frames(segment, range(segment.frames)), own)
        past = read_frames(segment, [segment.frames - 1, segment.frames, segment.frames + 9])
        assert np.array_equal(past, np.stack([own[-1]] * 3))  # nothing of the next segment
        streamed = stream_frames(segment, [0, 1], size=(video.width, video.height))
        assert np.array_equal(np.stack(list(streamed)), own[:2])
        shown = read_frames(segment, seconds=segment.times)
        assert np.array_equal(shown, own)


def test_a_catalog_of_segments_knows_its_files(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    for name in ("b", "a b", "ü"):
        make_video(tmp_path / f"{name}.mp4", frames=25)
    catalog = Catalog.from_folder(tmp_path, progress=False)
    segments = catalog.segments(0.4, stride=0.2)
    assert [video.id for video in segments][:3] == [
        "a b.mp4#t=0,0.4",
        "a b.mp4#t=0.2,0.6",
        "a b.mp4#t=0.4,0.8",
    ]
    assert segments.files() == catalog
    assert segments.subset(["b.mp4#t=0,0.4"])[0].frames == 10


def test_a_segment_of_a_file_that_is_set_aside_fails_at_once(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    make_video(tmp_path / "a.mp4", frames=25)
    segments = Catalog.from_folder(tmp_path, progress=False).segments(0.5)
    fixed = segments.with_set_aside({segments[0].id: "of a crash"})
    assert fixed[0].whole.set_aside == "of a crash"
    with pytest.raises(Exception, match=r"a\.mp4: set aside earlier: of a crash"):
        read_frames(fixed[0], [0])
    assert len(read_frames(fixed[1], [0])) == 1
