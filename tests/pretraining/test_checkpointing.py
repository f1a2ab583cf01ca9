"""A run that is killed or stopped, and goes on, is the run that nobody disturbed."""

import json
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.pretraining.folder import RunFolder
from slic.runs import read_log

pytestmark = pytest.mark.slow  # they start programs or train


Slic = Callable[..., Any]
OF_THE_CLOCK = {"time", "seconds", "waited", "clips_per_second"}
SLOW_STEPS = """
import time
from slic.pretraining import loop
train_step = loop.train_step
def slow_step(*arguments):
    time.sleep(0.1)
    train_step(*arguments)
loop.train_step = slow_step
"""
LATE_FIGURES = """
from slic.pretraining import run_log
run_log._lag_steps = lambda device: 1  # as on a GPU
"""
SLOW_DISK = """
import os, time
fsync = os.fsync
def slow_fsync(descriptor):
    time.sleep(0.3)
    fsync(descriptor)
os.fsync = slow_fsync
"""
DISK_FULL_AFTER_ONE_CHECKPOINT = """
import resource
from slic.pretraining import checkpointing
save_state = checkpointing.save_state
def save_and_fill(*arguments, **named):
    save_state(*arguments, **named)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
checkpointing.save_state = save_and_fill
"""


def wait_until(reached: Callable[[], bool], running: Any) -> None:
    """Wait for a moment of a run; it must come before the run's end."""
    deadline = time.monotonic() + 60
    while not reached() and running.process.is_alive():
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.002)


def same_run(one: Path, other: Path) -> bool:
    """Whether two finished runs have the same weights, clusters and log."""
    files = ["encoder/model.safetensors", "encoder/config.json", "clusters/epoch-0002.jsonl"]
    logs = [
        [{k: v for k, v in r.items() if k not in OF_THE_CLOCK} for r in read_log(run / "log.jsonl")]
        for run in (one, other)
    ]
    return logs[0] == logs[1] and all(
        (one / f).read_bytes() == (other / f).read_bytes() for f in files
    )


def test_the_undisturbed_run_tells_all(undisturbed: Path) -> None:
    records = read_log(undisturbed / "log.jsonl")
    assert [r["kind"] for r in records] == ["round", *["step"] * 6, "round", *["step"] * 3]
    steps = [r for r in records if r["kind"] == "step"]
    assert [(r["epoch"], r["step"]) for r in steps] == [(s // 3, s + 1) for s in range(9)]
    assert all(r["loss"] == pytest.approx(r["instance"] + r["temporal"], abs=2e-6) for r in steps)
    clusters = (undisturbed / "clusters" / "epoch-0000.jsonl").read_text().splitlines()
    assert [json.loads(line)["video"] for line in clusters] == [f"{n:02d}.mp4" for n in range(12)]


@pytest.mark.parametrize(
    ("workers", "late"), [pytest.param(0, "", marks=pytest.mark.soak), (1, LATE_FIGURES)]
)
def test_killed_again_and_again_it_ends_with_the_same_weights(
    slic: Slic, videos: Path, tiny: Path, undisturbed: Path, tmp_path: Path, workers: int, late: str
) -> None:
    out = tmp_path / "run"
    folder = RunFolder(out)
    words = ["pretrain", videos, "--out", out, "--recipe", tiny, f"--train.workers={workers}"]
    moments: dict[str, Callable[[], bool]] = {
        "before the first round": lambda: folder.has_run,
        "before the first checkpoint": lambda: len(read_log(folder.log_file)) >= 2,
        "while it is saved": lambda: any(folder.checkpoint.parent.glob(".last.pt.*.tmp")),
        "amid the second epoch": lambda: len(read_log(folder.log_file)) >= 6,
        "amid the last epoch": lambda: len(read_log(folder.log_file)) >= 9,
    }
    killed = 0
    for moment, reached in moments.items():
        resume = ["--resume"] if folder.has_run else []
        slow = SLOW_DISK if "saved" in moment else SLOW_STEPS
        running = slic(*words, *resume, before=late + slow)
        wait_until(reached, running)
        running.kill()
        ended = running.wait()
        assert ended.code == -signal.SIGKILL, (moment, ended.err)
        killed += 1
    ended = slic(*words, "--resume").wait()
    assert ended.code == 0, ended.err
    assert killed == len(moments)
    assert same_run(out, undisturbed)
    left = sorted(path.name for path in folder.checkpoint.parent.iterdir())
    assert left == ["last.pt", "previous.pt"]


@pytest.mark.parametrize(("workers", "late"), [(0, ""), (1, LATE_FIGURES)])
def test_ctrl_c_saves_says_how_to_go_on_and_loses_nothing(
    slic: Slic, videos: Path, tiny: Path, undisturbed: Path, tmp_path: Path, workers: int, late: str
) -> None:
    out = tmp_path / "a run"  # with a space, which the command that is shown must quote
    words = ["pretrain", videos, "--out", out, "--recipe", tiny, f"--train.workers={workers}"]
    running = slic(*words, before=late + SLOW_STEPS)
    wait_until(lambda: len(read_log(out / "log.jsonl")) >= 6, running)
    running.signal_group(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    done = len(read_log(out / "log.jsonl"))
    *_, said = ended.err.splitlines()
    command = shlex.split(said.removeprefix("slic: stopped and saved. Continue with: "))
    assert command == ["slic", "pretrain", str(videos), "--out", str(out), "--resume"]
    before = (out / "log.jsonl").read_text()
    ended = slic(*command[1:]).wait()
    assert ended.code == 0, ended.err
    assert (out / "log.jsonl").read_text().startswith(before), f"{done} records were kept"
    assert same_run(out, undisturbed)


def test_a_disk_that_fills_is_one_line_and_the_last_checkpoint_stays(
    slic: Slic, videos: Path, tiny: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["pretrain", videos, "--out", out, "--recipe", tiny]
    ended = slic(*words, before=DISK_FULL_AFTER_ONE_CHECKPOINT).wait()
    assert ended.code == 1
    assert "Traceback" not in ended.err
    *_, said = ended.err.splitlines()
    assert said.startswith(f"slic: {out}/checkpoints/last.pt: could not be written (")
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["last.pt"]
    ended = slic(*words, "--resume").wait()
    assert ended.code == 0, ended.err
    assert same_run(out, undisturbed)


def test_a_folder_that_another_run_writes_to_is_refused(
    slic: Slic, videos: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["pretrain", videos, "--out", out, "--recipe", tiny]
    first = slic(*words, before=SLOW_STEPS.replace("0.1", "9"))  # longer than the second takes
    wait_until(lambda: len(read_log(out / "log.jsonl")) >= 1, first)
    second = slic(*words, "--resume").wait()
    first.kill()
    first.wait()
    assert second.code == 1
    assert f"slic: {out}: another run is writing to this folder" in second.err


@pytest.fixture
def finished(undisturbed: Path, tmp_path: Path) -> Path:
    """Return a copy of the undisturbed run."""
    return shutil.copytree(undisturbed, tmp_path / "finished")


def refusal(slic: Slic, *words: object) -> str:
    """Return the one line of a refused command."""
    ended = slic("pretrain", *words).wait()
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    line: str = ended.err.splitlines()[-1]
    return line


def test_a_folder_with_a_run_is_refused_without_resume(
    slic: Slic, videos: Path, tiny: Path, finished: Path
) -> None:
    before = (finished / "log.jsonl").read_bytes()
    said = refusal(slic, videos, "--out", finished, "--recipe", tiny)
    assert said == (
        f"slic: {finished}: a run is already here; continue it with --resume, "
        "or choose another --out."
    )
    assert (finished / "log.jsonl").read_bytes() == before


def test_resuming_with_other_settings_is_refused(
    slic: Slic, videos: Path, tiny: Path, finished: Path
) -> None:
    words = (videos, "--out", finished, "--recipe", tiny, "--train.epochs=4", "--resume")
    assert "the run to resume has other settings" in refusal(slic, *words)


def test_resuming_with_other_videos_is_refused(
    slic: Slic, videos: Path, finished: Path, tmp_path: Path
) -> None:
    fewer = shutil.copytree(videos, tmp_path / "fewer")
    (fewer / "03.mp4").unlink()
    said = refusal(slic, fewer, "--out", finished, "--resume")
    assert "another set of videos than the 11 found now" in said


def test_resuming_what_is_not_there_is_refused(slic: Slic, videos: Path, tmp_path: Path) -> None:
    said = refusal(slic, videos, "--out", tmp_path / "nothing", "--resume")
    assert said == f"slic: {tmp_path}/nothing: there is no run to resume; leave --resume out."


def test_resuming_a_finished_run_changes_nothing(
    slic: Slic, videos: Path, undisturbed: Path, finished: Path
) -> None:
    ended = slic("pretrain", videos, "--out", finished, "--resume").wait()
    assert ended.code == 0, ended.err
    assert same_run(finished, undisturbed)
