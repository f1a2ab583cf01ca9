"""Reading timelines: the times and key frames of made files, and the rules for missing times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.errors import VideoError
from slic.videos import packets
from slic.videos.container import VideoPacket
from slic.videos.packets import _filled, _offsets, _reordered, read_timeline
from slic.videos.timeline import NO_TIME, stamps_of

MakeVideo = Callable[..., Path]


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
    monkeypatch.setattr(packets, "MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(VideoError, match=r"a\.mp4: pictures of 160 x 120 pixels are too large"):
        read_timeline(path)


def test_a_file_without_a_video_track(tmp_path: Path, ffmpeg: Any) -> None:
    ffmpeg.run("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match=r"a\.mp4: no video track"):
        read_timeline(tmp_path / "a.mp4")


def test_counting_begins_at_keys_that_split_the_times() -> None:
    stamps = np.array([0, 0, 40, 80, 80, 120])
    assert [packets._splits(stamps, key) for key in range(6)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("missing", [None, 4])
def test_frames_are_counted_where_a_reordered_packet_has_no_time(
    missing: int | None, tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mkv", frames=12, options={"bf": "2"})
    places = iter(range(1000))

    def without_one(packet: VideoPacket) -> tuple[int, int]:
        pts, dts = stamps_of(packet)
        return (NO_TIME if next(places) == missing else pts), dts

    monkeypatch.setattr(packets, "stamps_of", without_one)
    assert read_timeline(path).timeline.counted == (missing is not None)
