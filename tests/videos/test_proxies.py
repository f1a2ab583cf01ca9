"""Frame n of a copy is frame n of its video, and a copy is taken for no other video's."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slic.errors import CatalogError, CheckpointError, VideoError, WriteError
from slic.files import temporary_path
from slic.videos import motion_jpeg
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames
from slic.videos.inspection import inspect_video
from slic.videos.preparing import remove_leftovers
from slic.videos.proxies import Proxies

FRAMES = 50
FORMATS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"g": "250"}},
    "xvid.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "uneven.mkv": {"times": [40 * k + 7 * (k % 3) for k in range(FRAMES)]},
    "turned.mp4": {"quarter_turn": True},
    "stream.mpg": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
}


@pytest.fixture(scope="module")
def catalog(
    tmp_path_factory: pytest.TempPathFactory,
    make_video: Callable[..., Path],
    make_frames: Callable[..., Path],
) -> Catalog:
    """Return videos of many kinds, and a folder of frames."""
    folder = tmp_path_factory.mktemp("originals")
    for name, kind in FORMATS.items():
        make_video(folder / "deep" / name, frames=FRAMES, size=(320, 240), **kind)
    make_frames(folder / "frames", frames=FRAMES, size=(320, 240))
    return Catalog.from_folder(folder, progress=False, cache=False)


@pytest.fixture(scope="module")
def proxies(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Proxies:
    """Return the proxies of all of them."""
    made = Proxies(tmp_path_factory.mktemp("proxies"), short_side=48)
    made.check(catalog)
    for video in catalog:
        assert not made.holds(video)
        made.write(video)
        assert made.holds(video)
    return made


def test_ids_and_counts_are_those_of_the_videos(catalog: Catalog, proxies: Proxies) -> None:
    again = Catalog.from_folder(proxies.folder, progress=False, cache=False)
    assert again.refused == ()
    assert [(v.id, v.frames) for v in again] == [(v.id, v.frames) for v in catalog]
    assert all(min(v.width, v.height) == 48 for v in again)


def test_frame_n_is_frame_n(
    catalog: Catalog, proxies: Proxies, shown_number: Callable[[np.ndarray], int]
) -> None:
    for video, copy in zip(
        catalog, Catalog.from_folder(proxies.folder, progress=False, cache=False), strict=True
    ):
        places = np.random.default_rng(0).permutation(FRAMES)
        size = proxies.size(video)
        frames = read_frames(copy, places, size=size)
        originals = read_frames(video, places, size=size)
        assert np.abs(frames.astype(int) - originals).mean() < 3
        if "turned" not in video.id:
            assert [shown_number(frame) for frame in frames] == places.tolist()
        streamed = list(stream_frames(copy, range(FRAMES), size=size))
        assert np.array_equal(np.stack(streamed)[places], frames)


def test_what_a_killed_process_was_writing_is_removed(catalog: Catalog, tmp_path: Path) -> None:
    proxies = Proxies(tmp_path, short_side=48)
    (tmp_path / "deep").mkdir()
    for video in catalog:
        temporary_path(proxies.path(video)).mkdir()
        temporary_path(proxies.path(video)).write_bytes(b"half")
    others = [tmp_path / ".frames.tmp", tmp_path / ".other.mp4.01234567.tmp"]
    for other in others:
        other.touch()
    remove_leftovers(proxies, catalog)
    assert sorted(tmp_path.iterdir()) == [*others, tmp_path / "deep"]
    assert list((tmp_path / "deep").iterdir()) == []


def test_any_player_reads_a_copy(proxies: Proxies) -> None:
    capture = cv2.VideoCapture(str(proxies.folder / "deep" / "h264.mp4"), cv2.CAP_FFMPEG)
    ours = iter(
        read_frames(inspect_video(proxies.folder / "deep" / "h264.mp4", "copy"), range(FRAMES))
    )
    while (decoded := capture.read())[0]:
        assert np.abs(decoded[1][..., ::-1].astype(int) - next(ours)).mean() < 3
    assert next(ours, None) is None


def test_a_small_video_is_not_enlarged(catalog: Catalog) -> None:
    wide, tall = (replace(catalog[0], width=w, height=h) for w, h in ((320, 240), (90, 160)))
    assert Proxies(Path("x"), short_side=128).size(wide) == (171, 128)
    assert Proxies(Path("x"), short_side=128).size(tall) == (90, 160)


def test_the_copy_of_another_size_or_video_is_made_again(
    catalog: Catalog, proxies: Proxies, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    assert not any(replace(proxies, short_side=64).holds(video) for video in catalog)
    video = next(v for v in catalog if v.id.endswith("h264.mp4"))
    changed = inspect_video(make_video(tmp_path / "h264.mp4", frames=FRAMES - 1), video.id)
    assert not proxies.holds(changed)


def test_a_copy_never_lands_on_its_video(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="the folder of the videos themselves"):
        Proxies(catalog.root, short_side=48).check(catalog)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "deep").symlink_to(catalog.root / "deep")
    with pytest.raises(CatalogError, match="which is a video or lies outside"):
        Proxies(tmp_path / "linked", short_side=48).check(catalog)


@pytest.mark.parametrize("id", ["/elsewhere/a.mp4", "../v/a.mp4", "a/../../b.mp4", ".."])
def test_a_copy_never_leaves_its_folder(
    catalog: Catalog,
    tmp_path: Path,
    id: str,  # noqa: A002
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = replace(catalog[0], id=id)
    for folder in (tmp_path / "proxies", Path("proxies"), Path()):
        proxies = Proxies(folder, short_side=48)
        for use in (proxies.path, proxies.write):
            with pytest.raises(CatalogError, match=r"h264\.mp4: does not lie below the folder"):
                use(odd)
    assert list(tmp_path.iterdir()) == []


def test_only_a_copy_is_replaced(catalog: Catalog, tmp_path: Path) -> None:
    proxies = Proxies(tmp_path, short_side=48)
    for video in (catalog[0], next(v for v in catalog if v.id == "frames")):
        path = proxies.path(video)
        path.parent.mkdir(exist_ok=True)
        if video.path.is_dir():
            shutil.copytree(video.path, path)
        else:
            shutil.copyfile(video.path, path)
        before = sorted(path.rglob("*")), path.is_file() and path.read_bytes()
        with pytest.raises(CheckpointError, match=f"{video.id}: exists and is not a proxy"):
            proxies.write(video)
        assert before == (sorted(path.rglob("*")), path.is_file() and path.read_bytes())


def test_a_damaged_copy_is_named(catalog: Catalog, tmp_path: Path) -> None:
    proxies = Proxies(tmp_path, short_side=48)
    video = next(v for v in catalog if v.id.endswith("h264.mp4"))
    proxies.write(video)
    path = proxies.path(video)
    copy = inspect_video(path, video.id)
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\xd8", len(data) // 2)
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"h264\.mp4: the picture at byte \d+ does not"):
        read_frames(copy, range(FRAMES))
    path.unlink()
    with pytest.raises(VideoError, match=r"h264\.mp4: no such file"):
        read_frames(copy, [0])


def test_other_motion_jpeg_files_are_left_to_ffmpeg(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    path = make_video(tmp_path / "camera.avi", codec="mjpeg", pixels="yuvj420p", frames=9)
    assert motion_jpeg.read(path, [0], frames=9) is None
    assert motion_jpeg.read(make_video(tmp_path / "a.mp4", frames=9), [0], frames=9) is None
    (tmp_path / "short.avi").write_bytes(b"RIFF\x04\x00\x00\x00AVI ")
    assert motion_jpeg.read(tmp_path / "short.avi", [0], frames=9) is None


def test_a_full_disk_leaves_nothing(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(Path, "write_text", full)
    for video in (catalog[0], next(v for v in catalog if v.id == "frames")):
        with pytest.raises(WriteError, match=rf"{video.id}: could not be written \(no space"):
            Proxies(tmp_path, short_side=48).write(video)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
