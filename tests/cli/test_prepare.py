"""``slic prepare``: where it writes, what it prints, and what it refuses."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from slic.clips.flow_cache import FlowCache
from slic.videos.catalog import Catalog

Lines = Callable[..., tuple[int, list[str], list[str]]]
SMALL = ("--clip.size=32", "--clip.stride=2", "--flow.method=dis", "--workers=1")


@pytest.fixture
def videos(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a folder of three videos."""
    for number in range(3):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=20 + number, size=(64, 48))
    return tmp_path / "videos"


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without locks and catalogs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "catalog" not in path.name
    }


def refusal(ended: tuple[int, list[str], list[str]]) -> str:
    """Return the error of a command that failed as it should."""
    code, _, err = ended
    assert code == 1, err
    assert err[-1].startswith("slic: ")
    return err[-1]


@pytest.mark.parametrize("out", [(), ("--out", "flow")])
def test_flow_for_a_recipe_without_flow_is_refused_before_the_work(
    lines: Lines, videos: Path, out: tuple[str, ...]
) -> None:
    said = refusal(lines("prepare", videos, "--flow", "--recipe", "motion", *out))
    assert "this recipe does not use optical flow" in said
    assert not (videos / ".slic-flow").exists()


def test_flow_is_not_prepared_for_frames_of_different_sizes(lines: Lines, videos: Path) -> None:
    said = refusal(lines("prepare", videos, "--flow", *SMALL, "--clip.resize=40"))
    assert said.startswith("slic: clip.resize is 40, so frames of different videos differ in size")
    assert "such as [43,32]" in said


def test_flow_that_would_be_clipped_is_not_prepared(lines: Lines, videos: Path) -> None:
    said = refusal(lines("prepare", videos, "--flow", *SMALL, "--flow.bound=0.2"))
    assert said.startswith("slic: flow.bound is 0.2; prepared flow supports bounds up to")


def test_proxies_of_a_list_leave_the_originals_alone(
    lines: Lines, videos: Path, tmp_path: Path
) -> None:
    listing = tmp_path / "lists" / "train.csv"
    listing.parent.mkdir()
    listing.write_text("path\n../videos/0.mp4\n../videos/1.mp4\n")
    before = files(tmp_path)
    for out in ([], ["--out", tmp_path / "proxies"]):
        said = refusal(lines("prepare", listing, "--proxies", "--workers=1", *out))
        assert said.startswith(f"slic: {videos}/0.mp4: does not lie below the folder of VIDEOS")
        assert before.items() <= files(tmp_path).items()
    assert not (tmp_path / "proxies").exists()


def test_proxies_of_the_current_folder_lie_beside_it(
    lines: Lines, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(videos)
    code, out, err = lines("prepare", ".", "--proxies", "--workers=1")
    assert code == 0, err
    assert out[-1] == f"next: slic pretrain {tmp_path}/videos-128"
    assert len(files(tmp_path / "videos-128")) == 3


def test_a_video_that_does_not_decode_any_more_is_named_and_the_rest_is_done(
    lines: Lines, videos: Path, tmp_path: Path
) -> None:
    assert lines("scan", videos)[0] == 0
    state = (videos / "2.mp4").stat()
    whole = (videos / "2.mp4").read_bytes()
    (videos / "2.mp4").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    os.utime(videos / "2.mp4", ns=(state.st_atime_ns, state.st_mtime_ns))  # the scan is fooled
    code, out, err = lines("prepare", videos, "--flow", *SMALL, "--out", tmp_path / "flow")
    assert code == 0, err
    assert any(line.startswith("refused: 2.mp4: ") for line in err)
    assert ": 2 videos, " in out[-2]
    assert out[-1] == (
        f"next: slic pretrain {videos} --recipe paper-ucf101 --clip.size=32 --clip.stride=2 "
        f"--flow.method=dis --flow.folder={tmp_path}/flow"
    )


def test_a_video_whose_name_is_too_long_is_named_and_the_rest_is_done(
    lines: Lines, videos: Path, tmp_path: Path
) -> None:
    long, too_long = f"{'l' * 242}.mp4", f"{'t' * 248}.mp4"
    (videos / "0.mp4").rename(videos / long)
    (videos / "1.mp4").rename(videos / too_long)
    code, out, err = lines("prepare", videos, "--flow", *SMALL)
    assert code == 0, err
    folder = videos / ".slic-flow" / "dis-43x32-stride2"
    reason = f"its name is too long for a file in {folder}; shorten it"
    assert f"refused: {too_long}: {reason}" in err
    assert ": 2 videos, " in out[-1]
    flow = FlowCache(videos / ".slic-flow", method="dis", size=(43, 32), stride=2)
    catalog = Catalog.from_folder(videos, progress=False)
    assert [v.id for v in catalog if flow.read(v, np.arange(3)) is None] == [too_long]
    proxies = tmp_path / "small"
    assert lines("prepare", videos, "--proxies", "--workers=1", "--out", proxies)[0] == 0
    assert set(files(proxies)) == {video.id for video in catalog}


def test_a_full_disk_is_refused_before_the_work(
    lines: Lines, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    said = refusal(lines("prepare", videos, "--flow", *SMALL, "--out", tmp_path / "flow"))
    assert "are needed but 1 kB are free. Free some space" in said
    assert files(tmp_path / "flow") == {}


def test_a_wrong_folder_is_named(lines: Lines, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refusal(lines("prepare", videos, "--flow", *SMALL, "--out", tmp_path / "file"))
    assert f"{tmp_path}/file" in said
    assert said.endswith("Choose another folder.")
    said = refusal(lines("prepare", videos, "--proxies", "--out", videos / "small"))
    assert "so a scan of the videos would find the proxies" in said


def test_wrong_usage(lines: Lines, videos: Path) -> None:
    for words in ([], ["--flow", "--proxies"], ["--flow", "--workers=0"]):
        assert lines("prepare", videos, *words)[0] == 2
    for words, message in (
        (["--flow", "--clip.sise=3"], "The nearest known is 'clip.size'"),
        (["--flow", "--flow.folder=x"], "--flow.folder is what --out says"),
        (["--flow", "--short-side=64"], "--short-side is for --proxies, which is not given."),
        (["--proxies", "--clip.size=64"], "unrecognized arguments: --clip.size=64"),
        (["--proxies", "--recipe=motion"], "--recipe is for --flow, which is not given."),
    ):
        code, _, err = lines("prepare", videos, *words)
        assert code == 2
        assert message in err[-1]
