"""Looking for videos, and inspecting many at once."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.errors import VideoError
from slic.videos import scanning
from slic.videos.scanning import Found, find_videos, look_at, scan
from slic.videos.video import Refused, Video

MakeVideo = Callable[..., Path]


def found_in(root: Path) -> list[str]:
    found, refused = find_videos(root)
    assert refused == []
    return sorted(thing.id for thing in found)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_names_decide_what_may_be_a_video(tmp_path: Path) -> None:
    touch(tmp_path / "a.MP4", tmp_path / "set/b.webm", tmp_path / "notes.txt")
    touch(tmp_path / "._a.mp4", tmp_path / ".hidden/c.mp4")
    assert found_in(tmp_path) == ["a.MP4", "set/b.webm"]


def test_typescript_is_no_transport_stream(tmp_path: Path) -> None:
    (tmp_path / "index.ts").write_text("export const a = 1;\n" * 40)
    (tmp_path / "b.ts").write_bytes((b"G" + bytes(187)) * 3)
    assert found_in(tmp_path) == ["b.ts"]


def test_several_clips_of_pictures_in_a_folder(
    tmp_path: Path, make_frames: MakeVideo, caplog: pytest.LogCaptureFixture
) -> None:
    for clip in ("walk", "run"):
        make_frames(tmp_path / "set", frames=3, name=f"{clip}_{{:03d}}.jpg")
    touch(tmp_path / "set/cover.jpg")
    assert found_in(tmp_path) == ["set/run_*.jpg", "set/walk_*.jpg"]
    assert "1 pictures belong to no clip and are not used" in caplog.text


@pytest.mark.parametrize("system", ["/proc", "/sys", "/dev"])
def test_links_into_the_system_are_refused(tmp_path: Path, system: str) -> None:
    (tmp_path / "all").symlink_to(system)
    assert find_videos(tmp_path) == ([], [Refused("all", f"a link into {system}/")])


def test_links_out_of_the_folder_are_followed_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "elsewhere/a.mp4", tmp_path / "elsewhere/more/b.mp4")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.mp4").symlink_to(tmp_path / "elsewhere/a.mp4")
    (tmp_path / "set/more").symlink_to(tmp_path / "elsewhere/more")
    with caplog.at_level(logging.INFO, "slic"):
        assert found_in(tmp_path / "set") == ["a.mp4", "more/b.mp4"]
    assert "2 links lead outside of it" in caplog.text


def test_what_tells_of_a_change(tmp_path: Path, make_frames: MakeVideo) -> None:
    touch(tmp_path / "a.mp4")
    os.utime(tmp_path / "a.mp4", ns=(5, 7))
    assert look_at(tmp_path / "a.mp4", "a.mp4") == Found("a.mp4", tmp_path / "a.mp4", 1, 7)
    clip = make_frames(tmp_path / "clip", frames=3)
    size = sum(path.stat().st_size for path in clip.iterdir())
    assert look_at(clip, "clip").size == size
    assert look_at(tmp_path / "gone.mp4", "gone.mp4").size == -1


@pytest.mark.parametrize(
    ("error", "lasting"),
    [
        (VideoError("a.mp4: it is damaged"), True),
        (OSError(5, "Input/output error"), False),
    ],
)
def test_only_faults_of_the_content_last(
    error: Exception, lasting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Video:
        raise error

    monkeypatch.setattr(scanning, "inspect_isolated", fails)
    (verdict,) = scan([Found("a.mp4", Path("a.mp4"), 1, 1)], workers=1, progress=False)
    assert isinstance(verdict.outcome, Refused)
    assert verdict.lasting is lasting
    assert verdict.outcome.reason in {"it is damaged", "input/output error"}


def test_a_disk_error_of_the_worker_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Video:
        raise VideoError("a.mp4: stale file handle") from OSError()

    monkeypatch.setattr(scanning, "inspect_isolated", fails)
    (verdict,) = scan([Found("a.mp4", Path("a.mp4"), 1, 1)], workers=1, progress=False)
    assert not verdict.lasting
