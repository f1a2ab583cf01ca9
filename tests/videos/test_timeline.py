"""Timelines: times and key frames of made streams, their rules, and their packed form."""

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.videos import timeline as timelines
from slic.videos.orientation import Orientation
from slic.videos.timeline import Timeline, unpack_timeline

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
