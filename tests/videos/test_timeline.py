"""Timelines: times and key frames of made streams, their rules, and their packed form."""

from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import VideoError
from slic.videos import timeline as timelines
from slic.videos.orientation import Orientation
from slic.videos.timeline import (
    NO_TIME,
    Timeline,
    _filled,
    _offsets,
    _reordered,
    read_timeline,
    unpack_timeline,
)

MakeVideo = Callable[..., Path]


def made(stamps: list[int], keys: list[int], hidden: list[int] | None = None) -> Timeline:
    key_stamps = np.array([stamps[key] for key in keys])
    return Timeline(
        stream=1, time_base=Fraction(1, 1000), start=stamps[0], counted=False, skippable=True,
        by_position=False, orientation=Orientation(True, False, True), stamps=np.array(stamps),
        hidden=np.array(hidden or [], int), keys=np.array(keys),
        positions=np.arange(len(keys)) * 100, sizes=np.full(len(keys), 7),
        key_pts=key_stamps, key_dts=key_stamps - 40,
    )  # fmt: skip


@given(
    steps=st.lists(st.integers(1, 10**6), min_size=1, max_size=50), start=st.integers(-(10**12), 0)
)
def test_a_timeline_is_the_same_after_packing(steps: list[int], start: int) -> None:
    timeline = made([start, *accumulate(steps, initial=start + 1)], [0, len(steps)], [1])
    again = unpack_timeline(timeline.packed())
    for field in fields(Timeline):
        assert np.array_equal(getattr(again, field.name), getattr(timeline, field.name))


def test_other_bytes_are_no_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="a damaged timeline"):
        unpack_timeline(b"no timeline")
    packed = made([0, 40], [0]).packed()
    monkeypatch.setattr(timelines, "TIMELINE_FORMAT", 2)
    with pytest.raises(ValueError, match="of another format; scan the videos again"):
        unpack_timeline(packed)


def test_frames_are_in_the_order_of_presentation_without_hidden_ones() -> None:
    timeline = made([0, 120, 40, 80, 240, 160, 200], keys=[0, 4], hidden=[2])
    assert timeline.packets.tolist() == [0, 3, 1, 5, 6, 4]
    assert timeline.frame_of_packet.tolist() == [0, 2, -1, 1, 5, 3, 4]
    assert timeline.seconds == pytest.approx([0.0, 0.08, 0.12, 0.16, 0.2, 0.24])


def test_pictures_shown_before_a_key_frame_need_the_one_before() -> None:
    timeline = made([0, 120, 40, 80, 240, 160, 200, 280], keys=[0, 4])
    assert [timeline.key_before(packet) for packet in range(8)] == [0, 0, 0, 0, 1, 0, 0, 1]


def test_rules_for_missing_times() -> None:
    none = np.full(5, NO_TIME)
    some = np.array([0, NO_TIME, 80, NO_TIME, 160])
    assert _filled(some, none).tolist() == [0, 40, 80, 120, 160]
    assert _filled(some, np.arange(5)).tolist() == [0, 1, 80, 3, 160]
    assert _filled(none, none).tolist() == [0, 1, 2, 3, 4]
    # I P B B P B N(ot shown): what is shown comes in the order I B B P B . P
    shown = _reordered(np.arange(7) * 40, [0, 1, 2, 2, 1, 2, -1])
    assert shown.tolist() == [0, 120, 40, 80, 240, 160, 200]


def test_times_go_on_after_a_discontinuity_of_a_transport_stream() -> None:
    decoding = np.array([0, 40, 80, 120, 10, 50, 90_000_000, 90_000_040])
    joined = decoding + _offsets(decoding, 1000.0, "mpegts")
    assert joined.tolist() == [0, 40, 80, 120, 160, 200, 240, 280]
    assert _offsets(decoding, 1000.0, "matroska,webm").tolist() == [0] * 8


def test_what_is_read_of_a_file(tmp_path: Path, make_video: MakeVideo) -> None:
    times = [100, *range(600, 2600, 100)]  # milliseconds
    options = {"bf": "2", "g": "6", "sc_threshold": "0"}
    path = make_video(tmp_path / "a.mkv", frames=21, times=times, options=options)
    reading = read_timeline(path)
    assert (reading.width, reading.height, reading.codec) == (160, 120, "h264")
    assert reading.timeline.seconds == pytest.approx((np.array(times) - 100) / 1000)
    keys = reading.timeline.frame_of_packet[reading.timeline.keys]
    assert keys.tolist() == [0, 6, 12, 18]


def test_pictures_that_are_too_large_are_not_decoded(
    tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4", frames=3)
    monkeypatch.setattr(timelines, "MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(VideoError, match=r"a\.mp4: pictures of 160 x 120 pixels are too large"):
        read_timeline(path)


def test_a_file_without_a_video_track(tmp_path: Path, ffmpeg: Any) -> None:
    ffmpeg.run("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match=r"a\.mp4: no video track"):
        read_timeline(tmp_path / "a.mp4")


def test_counting_begins_at_keys_that_split_the_times() -> None:
    stamps = np.array([0, 0, 40, 80, 80, 120])
    assert [timelines._splits(stamps, key) for key in range(6)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
    assert replace(made([0, 40], [0]), counted=True).counted
