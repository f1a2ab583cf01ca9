"""`slic prepare` as a user runs it: killed and started again, used by a run, and refused."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.clips.flow_cache import FlowCache
from slic.videos.catalog import Catalog

Slic = Callable[..., Any]
SMALL = ("--clip.size=32", "--clip.stride=2", "--flow.method=dis", "--workers=1")
RUN = (
    "--recipe=paper-small", "--clip.frames=4", "--clip.stride=2", "--clip.size=32",
    "--backbone.width=0.125", "--head.hidden=16", "--head.embedding=8", "--train.batch_size=4",
    "--train.epochs=1", "--train.workers=0", "--sampling.flow_probability=1",
    "--rounds.inputs=[flow]",
)  # fmt: skip


@pytest.fixture
def videos(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a folder of six videos."""
    for number in range(6):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=20 + number, size=(64, 48))
    return tmp_path / "videos"


def files(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, the lock and catalogs apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "catalog" not in path.name
    }


def last_line(ended: Any) -> str:
    """Return the one line on stderr of a command that failed as it should."""
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    line: str = ended.err.splitlines()[-1]
    assert line.startswith("slic: ")
    return line


def killed_after_the_third(work: str) -> str:
    """Return Python text that kills the process, unnoticeably, amid writing its fourth video."""
    return f"""
import os, signal
from slic.{work.rpartition(".")[0]} import {work.rpartition(".")[2]} as Work
write, done = Work.write, []
def counted(self, video):
    if len(done) == 3:
        from slic.files import atomic_path
        with atomic_path(self.path(video)) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    done.append(video)
    return write(self, video)
Work.write = counted
"""


@pytest.mark.parametrize(
    ("what", "work"),
    [("--flow", "clips.flow_cache.FlowCache"), ("--proxies", "videos.proxies.Copies")],
)
def test_killed_and_started_again_is_the_same_as_one_go(
    slic: Slic, videos: Path, tmp_path: Path, what: str, work: str
) -> None:
    words = [what, *(SMALL if what == "--flow" else SMALL[-1:])]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    ended = slic("prepare", videos, *words, "--out", whole).wait()
    assert ended.code == 0, ended.err
    before = killed_after_the_third(work)
    assert slic("prepare", videos, *words, "--out", broken, before=before).wait().code == -9
    assert 3 <= len(files(broken)) < len(files(whole)) + 1
    ended = slic("prepare", videos, *words, "--out", broken).wait()
    assert ended.code == 0, ended.err
    assert "of 3 videos (3 done before), 72 frames, about " in ended.out
    assert files(broken) == files(whole)
    ended = slic("prepare", videos, *words, "--out", broken).wait()
    assert "of all 6 videos are there." in ended.out


@pytest.mark.slow
def test_several_processes_give_the_same_and_end_with_their_parent(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    words = ["--flow", *SMALL[:-1]]
    one, two = tmp_path / "one", tmp_path / "two"
    assert slic("prepare", videos, *words, "--workers=1", "--out", one).wait().code == 0
    running = slic("prepare", videos, *words, "--workers=2", "--out", two)
    while not (children := children_of(running.pid)) and running.process.is_alive():
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    for _ in range(500):
        if not any(Path(f"/proc/{child}/fd").exists() for child in children):
            break
        time.sleep(0.02)
    else:
        pytest.fail("a worker outlived its parent")
    ended = slic("prepare", videos, *words, "--workers=2", "--out", two).wait()
    assert ended.code == 0, ended.err
    assert files(one) == files(two)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started, where the system tells."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in tasks.read_text().split()] if tasks.exists() else [-1]


@pytest.mark.slow
def test_a_run_reads_what_was_prepared(slic: Slic, videos: Path, tmp_path: Path) -> None:
    ended = slic("prepare", videos, "--flow", *SMALL).wait()
    assert ended.code == 0, ended.err
    estimate, written = ended.out.splitlines()
    assert estimate.startswith(
        f"{videos}/.slic-flow/dis-43x32-stride2: flow by dis of 6 videos (0 done"
    )
    assert written.startswith(f"{videos}/.slic-flow/dis-43x32-stride2: 6 videos, 135 frames, ")
    no_flow = """
from slic.clips import reader
def refused(*_, **__): raise AssertionError("flow was computed")
reader.optical_flow = refused
"""
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *RUN, before=no_flow).wait()
    assert ended.code == 0, ended.err
    assert len(Catalog.from_folder(videos, progress=False)) == 6  # no scan enters .slic-flow


@pytest.mark.parametrize("out", [(), ("--out", "flow")])
def test_flow_for_a_recipe_without_flow_is_refused_before_the_work(
    slic: Slic, videos: Path, out: tuple[str, ...]
) -> None:
    ended = slic("prepare", videos, "--flow", "--recipe", "best", *out).wait()
    assert ended.code == 1
    assert "this recipe does not use optical flow" in ended.err
    assert not (videos / ".slic-flow").exists()


@pytest.mark.slow
def test_tv_l1_that_is_not_prepared_is_reported_once(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    ended = slic("pretrain", videos, "--out", tmp_path / "run", *RUN, "--flow.method=tv-l1").wait()
    assert ended.code == 0, ended.err
    assert ended.err.count("flow by tv-l1 is not prepared for 6 of 6 videos") == 1


def test_a_run_on_proxies(slic: Slic, videos: Path, tmp_path: Path) -> None:
    ended = slic("prepare", videos, "--proxies", "--short-side=32", "--workers=1").wait()
    assert ended.code == 0, ended.err
    small = tmp_path / "videos-32"
    assert ended.out.splitlines()[-1] == f"next: slic pretrain {small}"
    ended = slic("pretrain", small, "--out", tmp_path / "run", *RUN).wait()
    assert ended.code == 0, ended.err
    scanned = json.loads(slic("scan", small, "--json").wait().out)
    assert [v["id"] for v in scanned["videos"]] == [f"{k}.mp4" for k in range(6)]
    assert all((v["width"], v["height"]) == (43, 32) for v in scanned["videos"])


def test_proxies_of_a_list_leave_the_originals_alone(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.csv").write_text("path\n../videos/0.mp4\n../videos/1.mp4\n")
    before = files(tmp_path)
    for out in ([], ["--out", tmp_path / "proxies"]):
        words = ["prepare", tmp_path / "lists" / "train.csv", "--proxies", "--workers=1", *out]
        said = last_line(slic(*words).wait())
        assert said.startswith(f"slic: {videos}/0.mp4: does not lie below the folder of VIDEOS")
        assert before.items() <= files(tmp_path).items()
    assert not (tmp_path / "proxies").exists()


def test_proxies_of_the_current_folder_lie_beside_it(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    here = f"import os\nos.chdir({str(videos)!r})"
    ended = slic("prepare", ".", "--proxies", "--workers=1", before=here).wait()
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == f"next: slic pretrain {tmp_path}/videos-128"
    assert len(files(tmp_path / "videos-128")) == 6


def test_a_video_that_does_not_decode_any_more_is_named_and_the_rest_is_done(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    assert slic("scan", videos).wait().code == 0
    state = (videos / "2.mp4").stat()
    whole = (videos / "2.mp4").read_bytes()
    (videos / "2.mp4").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    os.utime(videos / "2.mp4", ns=(state.st_atime_ns, state.st_mtime_ns))  # the scan is fooled
    ended = slic("prepare", videos, "--flow", *SMALL, "--out", tmp_path / "flow").wait()
    assert ended.code == 0, ended.err
    assert "refused: 2.mp4: " in ended.err
    assert ": 5 videos, " in ended.out
    assert ended.out.splitlines()[-1] == (
        f"next: slic pretrain {videos} --recipe paper-ucf101 --clip.size=32 --clip.stride=2 "
        f"--flow.method=dis --flow.folder={tmp_path}/flow"
    )


def test_a_video_whose_name_is_too_long_is_named_and_the_rest_is_done(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    long, too_long = f"{'l' * 242}.mp4", f"{'t' * 248}.mp4"
    (videos / "0.mp4").rename(videos / long)
    (videos / "1.mp4").rename(videos / too_long)
    ended = slic("prepare", videos, "--flow", *SMALL).wait()
    assert ended.code == 0, ended.err
    folder = videos / ".slic-flow" / "dis-43x32-stride2"
    assert f"refused: {too_long}: its name is too long for a file in {folder}; shorten" in ended.err
    assert ": 5 videos, " in ended.out
    flow = FlowCache(videos / ".slic-flow", method="dis", size=(43, 32), stride=2)
    catalog = Catalog.from_folder(videos, progress=False)
    assert [v.id for v in catalog if flow.read(v, np.arange(3)) is None] == [too_long]
    ended = slic("prepare", videos, "--proxies", "--workers=1", "--out", tmp_path / "small").wait()
    assert ended.code == 0, ended.err
    assert set(files(tmp_path / "small")) == {video.id for video in catalog}


def test_a_full_disk_and_a_wrong_folder_are_one_line(
    slic: Slic, videos: Path, tmp_path: Path
) -> None:
    full = """
import shutil
shutil.disk_usage = lambda path: type("Usage", (), {"free": 1000})
"""
    words = ["prepare", videos, "--flow", *SMALL]
    said = last_line(slic(*words, "--out", tmp_path / "a", before=full).wait())
    assert "are needed but 1 kB are free. Free some space" in said
    (tmp_path / "file").write_text("")
    said = last_line(slic(*words, "--out", tmp_path / "file").wait())
    assert f"{tmp_path}/file" in said
    assert said.endswith("Choose another folder.")
    said = last_line(slic("prepare", videos, "--proxies", "--out", videos / "small").wait())
    assert "so a scan of the videos would find the proxies" in said


def test_wrong_usage(slic: Slic, videos: Path) -> None:
    for words in ([], ["--flow", "--proxies"], ["--flow", "--workers=0"]):
        assert slic("prepare", videos, *words).wait().code == 2
    said = last_line(slic("prepare", videos, "--flow", "--clip.sise=3").wait())
    assert "The nearest known is 'clip.size'" in said


def test_flow_that_would_be_clipped_is_not_prepared(slic: Slic, videos: Path) -> None:
    line = last_line(slic("prepare", videos, "--flow", *SMALL, "--flow.bound=0.2").wait())
    assert line.startswith("slic: flow.bound is 0.2; prepared flow supports bounds up to")
