"""Videos in object storage: scans, frames and bytes, against the same videos on a disk."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from slic import storage
from slic.errors import VideoError
from slic.storage import RemotePath, pinned, traffic
from slic.storage.cache import cache_folder
from slic.videos import isolation
from slic.videos.byte_ranges import groups_of_frames, ranges_of_frames
from slic.videos.catalog import Catalog
from slic.videos.decoder import decode_frames
from slic.videos.frames import read_frames
from slic.videos.index_only import open_indexed
from slic.videos.inspection import inspect_video
from slic.videos.timeline import Timeline, unpack_timeline
from tests.storage.servers import Site

SMALL = {"crf": "18", "g": "12", "keyint_min": "12", "sc_threshold": "0"}
CASES: dict[str, dict[str, Any]] = {
    "b.mp4": {"options": SMALL},
    "fast.mp4": {"options": SMALL | {"bf": "0", "movflags": "faststart"}},
    "refresh.mp4": {"options": {"crf": "18", "x264-params": "intra-refresh=1:keyint=20"}},
    "fragments.mp4": {"options": SMALL | {"movflags": "frag_keyframe+empty_moov"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"g": "12"}},
    "mjpeg.mov": {"codec": "mjpeg", "pixels": "yuvj420p", "options": {}},
    "b.mkv": {"options": SMALL},
    "p.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "b.ts": {"options": SMALL},
    "v.webm": {"codec": "libvpx", "options": {"g": "12", "b": "2M", "deadline": "realtime"}},
}


def noisy_video(
    path: Path, *, codec: str = "libx264", pixels: str = "yuv420p", **about: Any
) -> Path:
    """Write a video of 60 frames that takes many bytes."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=_of_container(about["options"])) as container:
        stream = container.add_stream(codec, rate=25, options=about["options"])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixels
        if codec != "libx264":
            stream.bit_rate = 2_000_000
        stream.codec_context.thread_count = 1
        for _ in range(60):
            picture = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def _of_container(options: dict[str, str]) -> dict[str, str]:
    return {"movflags": options.pop("movflags")} if "movflags" in options else {}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the videos of all cases."""
    folder = tmp_path_factory.mktemp("videos")
    for name, about in CASES.items():
        noisy_video(folder / name, **{**about, "options": dict(about["options"])})
    return folder


@pytest.fixture
def put(site: Site, videos: Path) -> Callable[[str], RemotePath]:
    """Return a function that serves one of the videos."""
    site.faults, site.with_tags = [], True

    def one(name: str) -> RemotePath:
        return pinned(RemotePath(site.put(f"/v/{name}", (videos / name).read_bytes())))

    return one


Put = Callable[[str], RemotePath]


@pytest.mark.parametrize("name", CASES)
def test_a_scan_by_ranges_says_what_a_scan_of_the_file_says(
    name: str, put: Put, videos: Path
) -> None:
    path = put(name)
    assert inspect_video(path, name).to_row() == inspect_video(videos / name, name).to_row()
    by_index = name in {"b.mp4", "fast.mp4", "mjpeg.mov"}
    assert (traffic.bytes < 0.6 * path.known.size) == by_index
    assert traffic.bytes <= path.known.size


@pytest.mark.parametrize("name", CASES)
def test_a_clip_takes_the_bytes_of_its_key_frame_groups(name: str, put: Put, videos: Path) -> None:
    line = inspect_video(videos / name, name).read_timeline()
    path, size = put(name), (videos / name).stat().st_size
    next(decode_frames(path, line, [0]))  # reads the index of the container
    for start in (26, 50):
        traffic.clear()
        clip = list(range(start, start + 6))
        here, there = (list(decode_frames(p, line, clip)) for p in (videos / name, path))
        assert np.array_equal(here, there)
        needed = sum(end - first for first, end in groups_of_frames(line, clip, size=size))
        assert traffic.bytes <= 1.3 * needed
        assert traffic.requests <= 3


def groups_by_hand(line: Timeline, frames: list[int], size: int) -> np.ndarray:
    """Return which bytes lie between the key frame of a frame and the key frame after it."""
    needed, places = np.zeros(size, bool), line.positions.tolist()
    for frame in frames:
        packet = int(line.packets[frame])
        begin = places[line.key_before(packet)]
        end = min((p for k, p in zip(line.keys, places, strict=True) if k > packet), default=size)
        needed[begin:end] = True
    return needed


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "p.avi", "b.ts"])
def test_groups_and_ranges_against_plain_loops(name: str, videos: Path) -> None:
    line, size = inspect_video(videos / name, name).read_timeline(), (videos / name).stat().st_size
    for frames in ([0], [30], [10, 11, 12, 13], [3, 40, 59], list(range(60))):
        needed, marked = groups_by_hand(line, frames, size), np.zeros((2, size), bool)
        groups = groups_of_frames(line, frames, size=size)
        for row, ranges in enumerate((groups, ranges_of_frames(line, frames, size=size))):
            for start, end in ranges:
                marked[row, start:end] = True
        assert np.array_equal(marked[0], needed)
        assert not (needed & ~marked[1]).any()
        assert marked[1].sum() <= 1.1 * needed.sum() + 2048 * len(groups)


def test_faults_while_clips_are_read_change_nothing(put: Put, site: Site, videos: Path) -> None:
    video, here = inspect_video(put("b.mp4"), "b"), inspect_video(videos / "b.mp4", "b")
    _forget_cache()
    for start, fault in ((5, "503"), (28, "truncated"), (50, "wrong range")):
        site.faults = [fault]
        clip = list(range(start, start + 5))
        assert np.array_equal(read_frames(video, clip), read_frames(here, clip))
        assert not site.faults


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_clips_among_random_faults_are_right_or_named(
    seed: int, put: Put, site: Site, videos: Path
) -> None:
    rng, faults = np.random.default_rng(seed), ("", "503", "429", "truncated", "reset", "slow")
    refusals = list[str]()
    pairs = [(inspect_video(put(name), name), inspect_video(videos / name, name)) for name in CASES]
    for _ in range(30):
        there, here = pairs[rng.integers(len(pairs))]
        if rng.random() < 0.3:
            _forget_cache()
        clip = np.sort(rng.integers(0, here.frames, 6))
        site.faults = rng.choice(faults, 3).tolist()
        try:
            frames = read_frames(there, clip)
        except VideoError as error:
            refusals.append(str(error))
        else:
            assert np.array_equal(frames, read_frames(here, clip))
    assert all("does not answer as it should" in text for text in refusals)


def test_an_outage_is_an_error_that_does_not_last(put: Put, site: Site) -> None:
    video = inspect_video(put("b.mkv"), "b.mkv")
    storage.locations._pieces_of.cache_clear()
    whole = site.pages["/v/b.mkv"].data
    _forget_cache()
    site.faults = ["503"] * 50
    with pytest.raises(VideoError, match=r"v/b\.mkv: the storage does not answer") as caught:
        read_frames(video, [30, 31])
    assert isinstance(caught.value.__cause__, OSError)
    site.faults = []
    assert len(read_frames(video, [30, 31])) == 2
    site.put("/v/b.mkv", whole[::-1])
    _forget_cache()
    with pytest.raises(VideoError, match="the object has changed since it was listed"):
        read_frames(video, [30, 31])
    del site.pages["/v/b.mkv"]
    with pytest.raises(VideoError, match="there is no such object"):
        read_frames(video, [30, 31])


def _forget_cache() -> None:
    """End the workers and delete the cache, which hold the bytes."""
    isolation._close_all()
    shutil.rmtree(cache_folder() or "", ignore_errors=True)


def test_waiting_for_the_storage_is_not_decoding(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    video = inspect_video(put("b.mp4"), "b.mp4")
    _forget_cache()
    read_frames(inspect_video(put("p.avi"), "p.avi"), [0])  # starts a worker

    def fetch_slowly(*request: Any) -> bytes:
        time.sleep(2.0)
        return storage.fetch(*request)

    monkeypatch.setattr(isolation, "fetch", fetch_slowly)
    monkeypatch.setattr(isolation, "MAX_WAIT_SECONDS", 1.5)
    assert len(read_frames(video, [0])) == 1


def test_an_index_that_lies_is_not_trusted(put: Put, videos: Path) -> None:
    path = put("refresh.mp4")
    assert open_indexed(path) is not None
    here, there = (inspect_video(p, "r") for p in (videos / "refresh.mp4", path))
    assert unpack_timeline(there.timeline).keys.tolist() == [0]
    assert here.timeline == there.timeline


def test_a_list_may_mix_files_and_addresses(
    put: Put, videos: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "MAX_TRIES", 1)
    put("b.mp4")
    (tmp_path / "here.avi").write_bytes((videos / "p.avi").read_bytes())
    secret = f"{site.address}/v/b.mp4?X-Amz-Signature=12ab"
    lines = ["path", "here.avi", secret, f"{site.address}/v/gone.mp4"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    catalog = Catalog.from_list(tmp_path / "list.csv", progress=False, workers=1)
    assert [video.id for video in catalog] == ["here.avi", f"{site.address}/v/b.mp4"]
    (gone,) = catalog.refused
    assert gone.id.endswith("/v/gone.mp4")
    assert "there is no such object, or no such bucket (404)" in gone.reason
    assert len(read_frames(catalog[1], [3])) == 1
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.suffix in {".scan", ".json"})
    assert kept
    assert b"12ab" not in kept
    site.put("/v/list.csv", b"path\nb.mp4\n")
    remote = Catalog.from_list(f"{site.address}/v/list.csv", progress=False, workers=1)
    assert [video.id for video in remote] == ["b.mp4"]
    assert remote[0].path == catalog[1].path
