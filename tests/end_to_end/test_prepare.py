"""`slic prepare` killed and started again, with several processes, and used by a run."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.videos.catalog import Catalog

pytestmark = pytest.mark.slow  # they start programs or train


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
    """Return the files of a folder, without locks and catalogs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "catalog" not in path.name
    }


def killed_after_the_third(work: str) -> str:
    """Return Python text that kills the process while it writes its fourth video."""
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
    [
        pytest.param("--flow", "clips.flow_cache.FlowCache", marks=pytest.mark.slow),
        ("--proxies", "videos.proxies.Proxies"),
    ],
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
