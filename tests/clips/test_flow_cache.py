"""Cached flow is the flow of plain calls, rounded, and never that of another video."""

import json
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips import flow_cache
from slic.clips.flow import FlowMethod, optical_flow
from slic.clips.flow_cache import MAX_CACHED_MOTION, FlowCache
from slic.errors import WriteError
from slic.sealed import DamagedFileError
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

W, H = 43, 32
HALF_A_LEVEL = MAX_CACHED_MOTION * H / 254


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Video:
    """Return a video of 14 frames."""
    path = make_video(tmp_path_factory.mktemp("cached") / "a.mp4", frames=14, size=(64, 48))
    return inspect_video(path, "sub/a.mp4")


def cache_in(folder: Path, *, method: FlowMethod = "dis", stride: int = 1) -> FlowCache:
    return FlowCache(folder, method=method, size=(W, H), stride=stride)


@pytest.mark.parametrize(("stride", "start"), [(1, 0), (1, 12), (2, 4), (5, 4), (20, 0)])
def test_a_clip_is_that_of_plain_calls_up_to_half_a_level(
    video: Video, tmp_path: Path, stride: int, start: int
) -> None:
    cache = cache_in(tmp_path, stride=stride)
    written = cache.write(video)
    assert written == cache.path(video).stat().st_size
    assert cache.holds(video)
    span = start + stride * np.arange(4)  # runs past the end at times
    flow = cache.read(video, span)
    assert flow is not None
    plain = optical_flow(read_frames(video, span, size=(W, H)))
    assert_allclose(
        flow, plain.clip(-MAX_CACHED_MOTION * H, MAX_CACHED_MOTION * H), atol=HALF_A_LEVEL * 1.001
    )


def test_tv_l1_too(video: Video, tmp_path: Path) -> None:
    cache = cache_in(tmp_path, method="tv-l1")
    cache.write(video)
    flow = cache.read(video, np.arange(5, 8))
    assert flow is not None
    frames = read_frames(video, [5, 6, 7], size=(W, H))
    plain = optical_flow(frames, method="tv-l1").clip(-MAX_CACHED_MOTION * H, MAX_CACHED_MOTION * H)
    assert_allclose(flow, plain, atol=HALF_A_LEVEL * 1.001)


def test_a_single_frame_does_not_move(video: Video, tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write(video)
    flow = cache.read(video, np.array([3]))
    assert_array_equal(flow, np.zeros((1, H, W, 2), np.float32))


def test_flow_of_another_method_size_stride_or_video_is_not_taken(
    video: Video, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    cache = cache_in(tmp_path)
    cache.write(video)
    for other in (
        cache_in(tmp_path, method="tv-l1"),
        cache_in(tmp_path, stride=2),
        FlowCache(tmp_path, method="dis", size=(85, 64), stride=1),
    ):
        assert not other.holds(video)
        assert other.read(video, np.arange(3)) is None
    changed = inspect_video(make_video(tmp_path / "b.mp4", frames=14, size=(64, 64)), video.id)
    assert not cache.holds(changed)
    assert cache.read(changed, np.arange(3)) is None


def test_flow_stays_that_of_a_video_that_was_copied_elsewhere(video: Video, tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "flow")
    cache.write(video)
    (tmp_path / "a.mp4").write_bytes(video.path.read_bytes())
    assert cache.holds(inspect_video(tmp_path / "a.mp4", video.id))


def test_a_video_outside_the_root_has_its_flow_inside_the_folder(
    video: Video, tmp_path: Path
) -> None:
    cache = cache_in(tmp_path / "flow")
    for name in (video.path.as_posix(), "../v/a.mp4", "a/../../../b.mp4", "//a.mp4", "..", "."):
        outside = replace(video, id=name)
        cache.write(outside)
        assert Path(os.path.normpath(cache.path(outside))).is_relative_to(cache.folder)
        assert cache.holds(outside)


def test_a_damaged_file_is_named_and_counts_as_missing(
    video: Video, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_in(tmp_path)
    cache.write(video)
    whole = cache.path(video).read_bytes()
    cache.path(video).write_bytes(whole[: len(whole) // 2])
    assert cache.read(video, np.arange(9, 14)) is None
    assert re.search(r"a\.mp4\.flow: .*slic prepare --flow", caplog.text)
    cache.path(video).write_bytes(b"")
    assert not cache.holds(video)
    nested = json.dumps(cache._header(video)).encode()[:-1] + b', "x": ' + 50_000 * b"["
    cache.path(video).write_bytes(nested)
    assert not cache.holds(video)


def test_no_changed_bit_gives_other_flow(video: Video, tmp_path: Path) -> None:
    cache, span = cache_in(tmp_path), np.arange(14)
    cache.write(video)
    whole = cache.path(video).read_bytes()
    plain = cache.read(video, span)
    assert plain is not None
    for bit in np.random.default_rng(0).choice(8 * len(whole), 400, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        cache.path(video).write_bytes(flipped)
        flow = cache.read(video, span)
        assert flow is None or np.array_equal(flow, plain), f"bit {bit}"


def test_a_step_that_would_grow_without_bound_is_damaged(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    bomb = zlib.compress(bytes(1 << 24))
    with pytest.raises(DamagedFileError, match="another size"):
        cache._decompress(bomb)


def test_the_estimate_is_near_what_is_written(video: Video, tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    written = cache.write(video)
    assert 0.4 * written < cache.bytes_a_frame(video) * video.frames < 2.5 * written


def test_a_full_disk_leaves_nothing(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    cache = cache_in(tmp_path)
    with pytest.raises(WriteError, match=r"a\.mp4\.flow: could not be written \(no space"):
        cache.write(video)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_first_line_says_what_it_is(video: Video, tmp_path: Path) -> None:
    cache = cache_in(tmp_path, stride=2)
    cache.write(video)
    with cache.path(video).open("rb") as file:
        about = json.loads(file.readline())
    assert (about["method"], about["size"], about["stride"]) == ("dis", [W, H], 2)


def test_flow_of_another_format_is_reported_once_and_computed_again(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache_in(tmp_path).write(video)
    monkeypatch.setattr(flow_cache, "FLOW_CACHE_FORMAT", 99)
    cache = cache_in(tmp_path)
    assert not cache.holds(video)
    assert cache.read(video, np.arange(3)) is None
    assert caplog.text.count("cached flow has format 2, not 99, and is computed again") == 1
    cache.write(video)
    assert cache.holds(video)
