"""Scanning: what counts as a video, what is refused and why, and what is not scanned twice."""

import csv
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slic.datasets import read_labels
from slic.errors import CatalogError
from slic.videos import catalog as catalogs
from slic.videos import scan_cache, scanning
from slic.videos.catalog import CACHE_NAME, Catalog, Refused, Video
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video

MakeVideo = Callable[..., Path]
Nobody = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=20, size=(64, 48))


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the id of every video that is really read."""
    ids: list[str] = []

    def noted(path: Path, id: str) -> Video:  # noqa: A002
        ids.append(id)
        return inspect_video(path, id)

    monkeypatch.setattr(scanning, "inspect_isolated", noted)
    return ids


def scan(root: Path, *, cache: bool = False) -> Catalog:
    return Catalog.from_folder(root, cache=cache, progress=False)


def put(clip: Path, *places: Path) -> None:
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, place)


def ids(catalog: Catalog) -> list[str]:
    return [video.id for video in catalog]


def test_videos_and_folders_of_frames_are_found_at_any_depth(
    tmp_path: Path, clip: Path, make_frames: MakeVideo
) -> None:
    names = ["z.mp4", "a/b/c/deep.MP4", "a/ünï code 動画.mkv", "a.mov", "x.webm", "x.m4v", "x.mpeg"]
    put(clip, *(tmp_path / name for name in names))
    make_frames(tmp_path / "a/frames")
    put(clip, tmp_path / ".hidden.mp4", tmp_path / "._z.mp4", tmp_path / ".trash/z.mp4")
    put(clip, tmp_path / "notes.txt")
    catalog = scan(tmp_path)
    assert ids(catalog) == sorted([*names, "a/frames"])
    assert catalog.refused == ()
    assert catalog[0].path == tmp_path / catalog[0].id
    assert catalog[-1].duration_seconds == pytest.approx(20 / 25)


def test_pictures_beside_videos_are_no_video(
    tmp_path: Path, clip: Path, make_frames: MakeVideo
) -> None:
    make_frames(tmp_path / "set", name="{:04d}.jpg")  # thumbnails
    put(clip, tmp_path / "set" / "0001.mp4")
    make_frames(tmp_path / "single", frames=1)
    assert ids(scan(tmp_path)) == ["set/0001.mp4"]


def test_loops_of_links_end_and_linked_folders_are_entered_once(
    tmp_path: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(clip, tmp_path / "set/real/a.mp4", tmp_path / "elsewhere/b.mp4")
    (tmp_path / "set/real/loop").symlink_to(tmp_path / "set")
    (tmp_path / "set/again").symlink_to(tmp_path / "set/real")
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "set/all").symlink_to("/proc")
    caplog.set_level("INFO")
    catalog = scan(tmp_path / "set")
    assert ids(catalog) == ["linked/b.mp4", "real/a.mp4"]
    assert catalog.refused == (
        Refused("all", "a link into /proc/"),
        Refused("gone.mp4", "no such file or directory"),
    )
    assert "3 links lead outside of it" in caplog.text


def test_each_bad_file_is_refused_with_its_reason_and_the_rest_is_kept(
    tmp_path: Path, clip: Path, make_video: MakeVideo, capfd: pytest.CaptureFixture[str]
) -> None:
    put(clip, tmp_path / "good.mp4")
    whole = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "damaged.avi").write_bytes(b"RIFF" + bytes(500))
    make_video(tmp_path / "still.mp4", frames=1)
    make_video(tmp_path / "two.mp4", frames=2)
    catalog = scan(tmp_path)
    assert ids(catalog) == ["good.mp4", "two.mp4"]
    assert {refused.id: refused.reason for refused in catalog.refused} == {
        "cut.mp4": "cut off or never finished (its index, the moov atom, is missing)",
        "damaged.avi": "a damaged AVI file, or one without a video track",
        "empty.mp4": "the file is empty",
        "still.mp4": "only one frame, so no motion",
        "text.mp4": "not a video file, whatever its name says",
    }
    assert capfd.readouterr() == ("", "")  # neither FFmpeg nor OpenCV says a word of its own


def oversized_png(side: int = 200_000) -> bytes:
    """Return a PNG whose header tells more pixels than OpenCV reads."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_an_odd_entry_is_refused_by_name_and_the_rest_is_kept(
    tmp_path: Path, clip: Path, make_frames: MakeVideo, capfd: pytest.CaptureFixture[str]
) -> None:
    put(clip, tmp_path / "good.mp4")
    for name in ("pipe.mp4", "plain pipe", "frames/000000.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    make_frames(tmp_path / "frames", frames=3, name="{:06d}.jpg")
    make_frames(tmp_path / "pictures", frames=3, name="{:06d}.png")
    (tmp_path / "pictures" / "000001.png").write_bytes(oversized_png())  # the first
    for name in ("loop", "loop.mp4"):
        (tmp_path / name).symlink_to(name)
    catalog = scan(tmp_path)
    assert ids(catalog) == ["good.mp4"]
    assert {refused.id: refused.reason for refused in catalog.refused} == {
        "device.mp4": "a link into /dev/",
        "frames": "its frame 000000.jpg is no file",
        "loop": "too many levels of symbolic links",
        "loop.mp4": "too many levels of symbolic links",
        "pictures": "its frame 000001.png does not decode",
        "pipe.mp4": "neither a file nor a folder",
    }
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["cut.avi", "cut.mkv", "cut.mpg"])
def test_a_cut_file_is_kept_with_the_frames_that_decode(
    name: str,
    tmp_path: Path,
    make_video: MakeVideo,
    shown_number: Callable[..., int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    codec = {"cut.mpg": "mpeg2video", "cut.avi": "mpeg4"}.get(name, "libx264")
    path = make_video(tmp_path / name, frames=100, codec=codec, options={"g": "12", "bf": "2"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    video = scan(tmp_path)[0]
    assert 30 < video.frames < 90
    if name == "cut.avi":  # it says how many frames there were
        assert f"has only {video.frames} of 100 frames" in caplog.text
    shown = [shown_number(frame) for frame in read_frames(video, range(video.frames - 1))]
    assert shown == list(range(video.frames - 1))  # of the very last a part may be missing


def test_a_second_scan_decodes_only_what_changed(
    tmp_path: Path, clip: Path, inspected: list[str], make_frames: MakeVideo, make_video: MakeVideo
) -> None:
    put(clip, tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "bad.mp4").write_text("no video")
    make_frames(tmp_path / "frames", frames=3)
    first = scan(tmp_path, cache=True)
    assert sorted(inspected) == ["a.mp4", "b.mp4", "bad.mp4", "frames"]
    inspected.clear()
    assert scan(tmp_path, cache=True) == first
    assert inspected == []
    make_video(tmp_path / "b.mp4", frames=10)
    make_frames(tmp_path / "frames", frames=5)
    put(clip, tmp_path / "bad.mp4")
    (tmp_path / "a.mp4").unlink()
    second = scan(tmp_path, cache=True)
    assert sorted(inspected) == ["b.mp4", "bad.mp4", "frames"]
    assert second == scan(tmp_path)
    assert [video.frames for video in second] == [10, 20, 5]


def test_ids_and_scan_move_with_the_folder(
    tmp_path: Path, clip: Path, inspected: list[str]
) -> None:
    put(clip, tmp_path / "old/set/a.mp4", tmp_path / "old/b.mp4")
    before = scan(tmp_path / "old", cache=True)
    (tmp_path / "old").rename(tmp_path / "new")
    inspected.clear()
    after = scan(tmp_path / "new", cache=True)
    assert ids(after) == ids(before) == ["b.mp4", "set/a.mp4"]
    assert after[0].path == tmp_path / "new/b.mp4"
    assert inspected == []


def test_a_folder_without_write_permission_is_cached_elsewhere(
    tmp_path: Path, clip: Path, inspected: list[str]
) -> None:
    put(clip, tmp_path / "set/a.mp4")
    (tmp_path / "set").chmod(0o555)
    first = scan(tmp_path / "set", cache=True)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["a.mp4"]
    inspected.clear()
    assert scan(tmp_path / "set", cache=True) == first
    assert inspected == []


def test_who_cannot_write_in_the_folder_adds_to_what_its_owner_found(
    clip: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch, nobody: Nobody
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to others
        root, mine = Path(name) / "set", Path(name) / "cache"
        mine.mkdir(mode=0o777)
        mine.chmod(0o777)
        monkeypatch.setenv("XDG_CACHE_HOME", str(mine))
        put(clip, root / "a.mp4", root / "b.mp4")
        for path in (root.parent, root):
            path.chmod(0o755)
        scan(root, cache=True)
        (root / CACHE_NAME).chmod(0o644)
        put(clip, root / "c.mp4")
        os.utime(root / "b.mp4", (1, 1))
        inspected.clear()
        with nobody():
            for _ in range(2):
                assert ids(scan(root, cache=True)) == ["a.mp4", "b.mp4", "c.mp4"]
                assert sorted(inspected) == ["b.mp4", "c.mp4"]


def test_without_a_home_there_is_no_cache_of_the_user(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # a KeyError, as for an unknown user
    put(clip, tmp_path / "a.mp4")
    assert ids(scan(tmp_path, cache=True)) == ["a.mp4"]
    assert (tmp_path / CACHE_NAME).exists()
    tmp_path.chmod(0o555)
    assert ids(scan(tmp_path, cache=True)) == ["a.mp4"]


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_damaged_or_foreign_cache_is_no_cache(
    tmp_path: Path, clip: Path, content: bytes | None
) -> None:
    put(clip, tmp_path / "a.mp4")
    first = scan(tmp_path, cache=True)
    cache = tmp_path / CACHE_NAME
    if content is None:
        pq.write_table(pa.table({"id": ["a.mp4"], "frames": [3]}), cache)
    else:
        cache.write_bytes(content)
    assert scan(tmp_path, cache=True) == first


def test_a_scan_that_is_broken_off_loses_nothing(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, *(tmp_path / f"{i}.mp4" for i in range(4)))

    def interrupted(*args: object, **settings: object) -> Iterator[scanning.Verdict]:
        yield next(scanning.scan(*args, **settings))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("slic.videos.catalog.scan", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scan(tmp_path, cache=True)
    places = [tmp_path / CACHE_NAME]
    assert len(scan_cache.load(places, scanning.find_videos(tmp_path)[0])) == 1
    assert len(scan(tmp_path, cache=True)) == 4


def test_missing_empty_and_mistaken_folders(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match=r"empty: no video found \(3gp avi .* wmv, or folders"):
        scan(tmp_path / "empty")
    with pytest.raises(CatalogError, match=r"gone: .*no such file or directory"):
        scan(tmp_path / "gone")
    with pytest.raises(CatalogError, match="is a file"):
        scan(clip)


def test_without_permission(clip: Path, nobody: Nobody) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to others
        root = Path(name) / "set"
        put(clip, root / "a.mp4", root / "closed.mp4", root / "sub/b.mp4")
        put(clip, root / "sub/c.txt")
        (root / "linked").symlink_to(root / "sub" / "c.txt")
        for path, mode in ((root.parent, 0o755), (root / "closed.mp4", 0), (root / "sub", 0)):
            path.chmod(mode)
        with nobody():
            catalog = scan(root)
        (root / "sub").chmod(0o755)  # so that it can be removed
    assert ids(catalog) == ["a.mp4"]
    assert catalog.refused == (
        Refused("closed.mp4", "permission denied"),
        Refused("linked", "permission denied"),
        Refused("sub", "this folder cannot be listed (permission denied)"),
    )


def test_too_many_refused_files_stop_before_any_work(tmp_path: Path) -> None:
    def catalog(good: int, bad: int) -> Catalog:
        videos = tuple(
            Video(
                id=f"{i}",
                path=tmp_path,
                frames=9,
                fps=25.0,
                width=8,
                height=8,
            )
            for i in range(good)
        )
        return Catalog(tmp_path, videos, tuple(Refused(f"x{i}", "is cut") for i in range(bad)))

    catalog(9, 1).require_usable()
    catalog(1, 1).require_usable(0.5)
    message = r"8 of 17 files .* at most 10% .*x0: is cut; .*x4: is cut; and 3 more\)\. Mend"
    with pytest.raises(CatalogError, match=message):
        catalog(9, 8).require_usable()
    with pytest.raises(CatalogError, match="1 of 1 files"):
        catalog(0, 1).require_usable(1.0)


def test_subset_keeps_the_order_and_names_what_it_lacks(tmp_path: Path, clip: Path) -> None:
    put(clip, *(tmp_path / f"{name}.mp4" for name in "abc"))
    (tmp_path / "bad.mp4").touch()
    catalog = scan(tmp_path)
    assert ids(catalog.subset({"c.mp4", "a.mp4"})) == ["a.mp4", "c.mp4"]
    with pytest.raises(CatalogError, match=r"1 ids .* d\.mp4"):
        catalog.subset(["a.mp4", "d.mp4"])
    with pytest.raises(CatalogError, match=r"bad\.mp4 \(refused: the file is empty\)"):
        catalog.subset(["bad.mp4"])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_list_gives_what_the_folder_gives(
    tmp_path: Path, clip: Path, suffix: str, inspected: list[str]
) -> None:
    put(clip, tmp_path / "set/a.mp4", tmp_path / "set/sub/b, c.mp4", tmp_path / "other/d.mp4")
    rows = [
        {"label": "walk", "path": "sub/b, c.mp4"},
        {"label": "run", "path": str(tmp_path / "set/a.mp4")},
        {"label": "run", "path": "../other/d.mp4"},
        {"label": "run", "path": "gone.mp4"},
    ]
    listing = tmp_path / "set" / f"list.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), listing)
    else:
        with listing.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, ["label", "path"])
            writer.writeheader()
            writer.writerows(rows)
    catalog = Catalog.from_list(listing, progress=False)
    assert ids(catalog) == sorted(["a.mp4", "sub/b, c.mp4", (tmp_path / "other/d.mp4").as_posix()])
    assert catalog.refused == (Refused("gone.mp4", "no such file or directory"),)
    assert catalog.subset(["a.mp4", "sub/b, c.mp4"]).videos == scan(tmp_path / "set").videos
    inspected.clear()
    assert Catalog.from_list(listing, progress=False) == catalog
    assert inspected == ["gone.mp4"]


def test_blanks_around_what_a_list_says_do_not_count(tmp_path: Path, clip: Path) -> None:
    put(clip, tmp_path / "a.mp4", tmp_path / "b.mp4")
    listing = tmp_path / "list.csv"
    listing.write_text("label, path ,split\nwalk, a.mp4,train\nrun,b.mp4 ,test\n")
    assert ids(Catalog.from_list(listing, progress=False)) == ["a.mp4", "b.mp4"]
    assert set(read_labels(listing).label) == {"a.mp4", "b.mp4"}


def test_ids_of_listed_videos_do_not_depend_on_the_working_directory(
    tmp_path: Path, clip: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, tmp_path / "v/x.mp4", tmp_path / "lists/sub/y.mp4")
    (tmp_path / "lists/train.csv").write_text("path\n../v/x.mp4\nsub/y.mp4\n")
    found = []
    for folder, name in (
        (".", "lists/train.csv"),
        ("lists", "train.csv"),
        ("v", "../lists/train.csv"),
    ):
        monkeypatch.chdir(tmp_path / folder)
        found.append(Catalog.from_list(name, progress=False))
    assert found == [Catalog.from_list(tmp_path / "lists/train.csv", progress=False)] * 3
    assert ids(found[0]) == [f"{tmp_path}/v/x.mp4", "sub/y.mp4"]
    assert found[0].root == tmp_path / "lists"
    assert all((found[0].root / video.id).samefile(video.path) for video in found[0])
    assert len(inspected) == 2


@pytest.mark.parametrize("name", ["abc:videos", "Tag: 1", os.fsdecode(b"caf\xe9")])
def test_a_folder_may_be_named_in_any_way(
    tmp_path: Path, clip: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(clip, tmp_path / name / "a.mp4")
    monkeypatch.chdir(tmp_path)
    if not name.isascii():  # no reader takes it, until it is renamed
        (refused,) = scan(Path(name), cache=True).refused
        assert refused.reason == "its name is not UTF-8; rename it"
        Path(name).rename("renamed")
        name = "renamed"
        inspected.clear()
    for _ in range(2):
        assert ids(scan(Path(name), cache=True)) == ["a.mp4"]
    assert len(inspected) == 1  # what was found out is kept


def test_a_scan_that_is_killed_has_kept_what_it_knew_a_minute_before(
    tmp_path: Path, clip: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, *(tmp_path / f"{number}.mp4" for number in range(3)))

    def killed(found: Any, **_: Any) -> Iterator[scanning.Verdict]:
        yield from (scanning.judge(thing) for thing in found[:2])
        monkeypatch.setattr(scan_cache, "save", lambda *_: None)  # a kill runs no `finally`
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(catalogs, "SAVE_EVERY_SECONDS", -1.0)
        patch.setattr(catalogs, "scan", killed)
        with pytest.raises(MemoryError):
            scan(tmp_path, cache=True)
    scan(tmp_path, cache=True)
    assert len(inspected) in (3, 4)  # the first was kept, the second where saving was quick


def test_a_file_that_goes_while_it_is_looked_at_is_refused(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, tmp_path / "a.mp4", tmp_path / "b.mp4")

    def gone(path: Path, id: str) -> Video:  # noqa: A002
        if id == "b.mp4":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return inspect_video(path, id)

    with monkeypatch.context() as patch:
        patch.setattr(scanning, "inspect_isolated", gone)
        assert scan(tmp_path, cache=True).refused == (
            Refused("b.mp4", "no such file or directory"),
        )
    assert ids(scan(tmp_path, cache=True)) == ["a.mp4", "b.mp4"]  # it is looked at again


def test_damaged_videos_of_other_kinds_are_taken_for_videos_and_a_program_for_none(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    codecs = {"wmv": "wmv2", "flv": "flv1", "m2ts": "mpeg2video", "ts": "mpeg2video"}
    for kind, codec in codecs.items():
        path = make_video(tmp_path / f"whole.{kind}", frames=30, codec=codec)
        (tmp_path / f"cut.{kind}").write_bytes(path.read_bytes()[:300])
    (tmp_path / "page.ts").write_text("GREETING = 'a program, and no video'\n" * 20)
    catalog = scan(tmp_path)
    assert ids(catalog) == sorted(f"whole.{kind}" for kind in codecs)
    assert {refused.id for refused in catalog.refused} == {f"cut.{kind}" for kind in codecs}
    assert not [refused for refused in catalog.refused if "whatever its name" in refused.reason]


def test_bad_lists(tmp_path: Path) -> None:
    cases = {
        "file,label\na.mp4,x\n": "no column 'path'; columns there: file, label",
        "path\n": "no rows",
        "path,label\na.mp4,x\n,y\n": "line 3: column 'path' is empty",
        "path\na.mp4\n./a.mp4\n": r"a\.mp4 is listed more than once",
    }
    for content, message in cases.items():
        (tmp_path / "list.csv").write_text(content)
        with pytest.raises(CatalogError, match=message):
            Catalog.from_list(tmp_path / "list.csv", progress=False)
    (tmp_path / "list.parquet").write_text("not parquet")
    for name, kind in (("list.parquet", "Parquet"), ("gone.csv", "CSV")):
        with pytest.raises(CatalogError, match=f"{name}: cannot be read as a {kind} file"):
            Catalog.from_list(tmp_path / name, progress=False)
    columns: dict[str, dict[str, list[str | None]]] = {
        "no column 'path'; columns there: file": {"file": ["a.mp4"]},
        "has no rows": {"path": []},
        "row 2 has no path": {"path": ["a.mp4", None]},
    }
    for message, table in columns.items():
        pq.write_table(pa.table(table), tmp_path / "list.parquet")
        with pytest.raises(CatalogError, match=message):
            Catalog.from_list(tmp_path / "list.parquet", progress=False)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, clip: Path) -> None:
    put(clip, tmp_path / "a.mp4", tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    catalog = scan(tmp_path, cache=True)
    assert ids(catalog) == ["a.mp4"]
    assert catalog.refused == (Refused("caf\\udce9.mp4", "its name is not UTF-8; rename it"),)


def test_progress_goes_to_stderr_and_works_in_an_unguarded_script(
    tmp_path: Path, clip: Path
) -> None:
    put(clip, tmp_path / "a.mp4")
    code = "from slic.videos.catalog import Catalog; print(len(Catalog.from_folder('.')))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert "scanning: 100%" in done.stderr


def test_real_clips(shared: Path) -> None:
    catalog = Catalog.from_list(shared / "data/arid6/split.csv", progress=False, cache=False)
    assert (len(catalog), catalog.refused) == (246, ())
    assert {(video.width, video.height, video.fps) for video in catalog} == {(160, 120, 30.0)}
    lengths = [video.frames for video in catalog]
    assert (min(lengths), max(lengths)) == (33, 105)
