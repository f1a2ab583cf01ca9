"""Changed videos and pictures: read or refused, as in the worker that reads them (isolation)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.packet import Packet

from slic.clips.extracted_flow import ExtractedFlow
from slic.errors import VideoError
from slic.videos import motion_jpeg
from slic.videos.bitstream import packet_rules
from slic.videos.container import open_container, video_streams
from slic.videos.frame_folder import read_image
from slic.videos.inspection import inspect_video
from slic.videos.isolation import MAX_WORKER_BYTES
from slic.videos.proxies import _origin
from slic.videos.sources import resized_frames
from slic.videos.video import Video
from tests.faults.fuzzing import Check, Reader

CODECS = {
    "mp4": ("mp4", "libx264"), "hevc": ("mp4", "libx265"), "avi": ("avi", "mpeg4"),
    "mkv": ("mkv", "libvpx-vp9"), "webm": ("webm", "libvpx"), "ts": ("ts", "mpeg2video"),
    "mov": ("mov", "mjpeg"),
}  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of one short film of each codec."""
    folder = tmp_path_factory.mktemp("films")
    for name, (suffix, codec) in CODECS.items():
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        options = {"g": "4"} | ({"x265-params": "log-level=none"} if codec == "libx265" else {})
        make_video(
            folder / f"{name}.{suffix}", frames=8, size=(32, 24), codec=codec, pixels=pixels,
            options=options,
        )  # fmt: skip
    return folder


def fits(video: Video) -> bool:
    edges = video.edge_seconds
    rising = bool(np.isfinite(edges).all() and (np.diff(edges) >= 0).all())
    again = Video.from_row(video.to_row(), id=video.id, path=video.path)
    return rising and again == video and len(edges) == video.frames + 1


@pytest.mark.parametrize("name", [*CODECS, "two at once"])
def test_fuzz_films(check: Check, films: Path, name: str) -> None:
    paths = sorted(films.iterdir())
    chosen = [path for path in paths if path.stem == name] or paths

    def read(path: Path) -> Video:
        video = inspect_video(path, path.name)
        assert fits(video)
        for _ in resized_frames(video, [0, video.frames - 1], (16, 12)):
            pass
        return video

    reader = Reader(
        name=f"films, {name}", corpus=[path.read_bytes() for path in chosen], read=read,
        file=f"film.{CODECS.get(name, ('mp4', ''))[0]}", spare=MAX_WORKER_BYTES,
        errors=(VideoError, MemoryError, cv2.error),
    )  # fmt: skip
    check(reader, quick=8, soak=500)


@pytest.mark.parametrize("name", CODECS)
def test_fuzz_packets(check: Check, films: Path, name: str) -> None:
    (path,) = films.glob(f"{name}.*")
    with open_container(path) as container:
        stream = video_streams(container)[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]

        def read(changed: Path) -> None:
            data = changed.read_bytes()
            if not data:
                return
            rules = packet_rules(stream)
            for flag in (True, False):
                packet: Any = Packet(data)
                packet.is_keyframe = flag
                assert isinstance(rules.shows(packet), bool)
                assert isinstance(rules.begins(packet), bool)

        check(
            Reader(name=f"packets, {name}", corpus=packets, read=read, errors=()),
            quick=60, soak=4000,
        )  # fmt: skip


def test_fuzz_proxies(check: Check, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 16, 24, 3)).astype(np.uint8)
    path = tmp_path / "proxy.avi"
    motion_jpeg.write(path, frames, fps=25.0, quality=80, origin="of a video")
    assert motion_jpeg.read(path, [0, 5], frames=6) is not None

    def read(path: Path) -> None:
        _origin(path)
        for frame in motion_jpeg.read(path, [0, 3, 5], frames=6) or ():
            assert frame.ndim == 3

    check(
        Reader(
            name="proxies", corpus=[path.read_bytes()], read=read, file="proxy.avi",
            errors=(VideoError,),
        )
    )  # fmt: skip


def test_the_note_beside_a_proxy_may_have_any_bytes(tmp_path: Path) -> None:
    (tmp_path / ".copy-of").write_bytes(b"\xff\xfe" + bytes(10_000))
    assert _origin(tmp_path) is not None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_fuzz_pictures(check: Check, suffix: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    corpus = [bytes(cv2.imencode(suffix, image)[1]) for image in (picture, picture[..., 0])]
    video = Video(id="a.mp4", path=tmp_path / "a.mp4", frames=2, fps=25.0, width=32, height=24)

    def read(path: Path) -> None:
        image = read_image(path)
        assert image is None or image.ndim == 3
        for component in "uv":
            folder = path.parent / component / "a"
            folder.mkdir(parents=True, exist_ok=True)
            for number in (1, 2):
                (folder / f"frame00000{number}{suffix}").write_bytes(path.read_bytes())
        flow = ExtractedFlow(path.parent, size=(16, 12), vertical=True).read(video, np.array([0]))
        assert flow is not None
        assert np.isfinite(flow).all()

    check(
        Reader(
            name=f"pictures, {suffix}", corpus=corpus, read=read, file=f"a{suffix}",
            errors=(VideoError,), names=False,
        ),
        quick=30, soak=2000,
    )  # fmt: skip


def test_all_codecs_of_the_packets_have_rules(films: Path) -> None:
    names = set()
    for path in films.iterdir():
        with av.open(str(path)) as container:
            names.add(container.streams.video[0].codec_context.codec.canonical_name)
    assert {"h264", "hevc", "mpeg4", "vp8", "vp9", "mpeg2video"} <= names
