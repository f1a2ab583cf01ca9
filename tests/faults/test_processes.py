"""Processes beside the main one that are killed: work goes on, or ends with one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from slic.pretraining.state import CHECKPOINT_FORMAT
from slic.runs import load_checkpoint
from tests.conftest import Ended, Running, Slic
from tests.faults.campaign import Campaign
from tests.faults.trials import STOPPED, Bench, Material, contents, group_ends
from tests.pretraining.hosts import Host

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
DECODING = ("scan", "index", "embed", "pretrain", "prepare --proxies")
QUICK_DECODING = ("scan", "index")
LOADING = ("pretrain, 1 worker", "embed, 1 worker", "evaluate finetune, 1 worker")
POOLS = ("prepare --proxies, 2 workers", "sample, 2 workers")
SLOW_LOADING = """
import time
from slic.clips import reader
plain = reader.ClipReader.render
def render(*arguments):
    time.sleep(0.1)
    return plain(*arguments)
reader.ClipReader.render = render
"""
SLOW_STEPS = """
import time
from slic.cli import main
from slic.pretraining import loop
plain = loop.train_step
def train_step(*arguments):
    time.sleep(0.2)
    plain(*arguments)
loop.train_step = train_step
main({words!r})
"""


def descendants(pid: int) -> list[int]:
    """Return all processes below a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def decodes(pid: int) -> bool:
    """Return whether a process is a decoding worker."""
    return b"isolation import serve" in _command(pid)


def loads(pid: int) -> bool:
    """Return whether a process is a fork of the main one, as the workers of a loader are."""
    command = _command(pid)
    return b"isolation" not in command and b"forkserver" in command


def in_pool(pid: int) -> bool:
    """Return whether a process is a spawned worker of a pool."""
    return b"spawn_main" in _command(pid)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill_one(running: Running, kind: Callable[[int], bool], delay: float) -> bool:
    """Kill a process of a kind some time after the first one is there."""
    while running.process.is_alive():
        try:
            if pids := [pid for pid in descendants(running.pid) if kind(pid)]:
                time.sleep(delay)
                os.kill(pids[0], signal.SIGKILL)
                return True
        except (OSError, ValueError):  # it ended meanwhile
            continue
        time.sleep(0.001)
    return False


@pytest.mark.parametrize("name", DECODING)
def test_a_decoding_worker_that_is_killed_costs_nothing(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    trials = campaign.trials(quick=int(name in QUICK_DECODING), soak=8)
    rng, lost, kills = Random(crc32(name.encode())), [], 0
    wanted = bench.undisturbed(name)
    for trial in range(trials):
        out = tmp_path / f"{trial}"
        running = bench.start(STOPPED[name], out)
        kills += kill_one(running, decodes, rng.random() * 0.8)
        ended = running.wait()
        if ended.code != 0 or contents(out) != wanted.contents:
            lost.append(f"trial {trial}: {ended.err[-2000:]}")
    campaign.record(f"killed decoding worker: {name}", tried=kills, survived=kills - len(lost))
    assert not lost


@pytest.mark.parametrize("name", LOADING)
def test_a_loading_worker_that_is_killed_is_replaced(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    """The result is bit for bit the same; it takes some seconds until the death is noticed."""
    trials = campaign.trials(quick=int(name == LOADING[0]), soak=6)
    rng, lost, kills = Random(crc32(name.encode())), [], 0
    wanted = bench.undisturbed(name)
    for trial in range(trials):
        out = tmp_path / f"{trial}"
        running = bench.start(STOPPED[name], out, before=SLOW_LOADING)
        killed = kill_one(running, loads, rng.random())
        ended, kills = running.wait(), kills + killed
        if ended.code != 0 or contents(out) != wanted.contents:
            lost.append(f"trial {trial}: {ended.err[-2000:]}")
    campaign.record(f"killed loading worker: {name}", tried=kills, survived=kills - len(lost))
    assert kills
    assert not lost


@pytest.mark.parametrize("name", ["index, 1 worker", *POOLS])
def test_a_process_that_cannot_be_replaced_ends_the_command_with_one_line(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    trials = campaign.trials(quick=int(name == POOLS[0]), soak=6)
    kind = in_pool if name in POOLS else loads
    rng, lost, kills = Random(crc32(name.encode())), [], 0
    for trial in range(trials):
        out = tmp_path / f"{trial}"
        running = bench.start(STOPPED[name], out)
        kills += kill_one(running, kind, rng.random() * 0.5)
        ended = running.wait()
        problems = [] if ended.code == 0 else problems_of_a_failure(ended)
        if not group_ends(running.pid):
            problems.append("processes are left")
        problems += bench.finish(name, out)
        if problems:
            lost.append(f"trial {trial}: {problems}")
    campaign.record(f"killed process: {name}", tried=kills, survived=kills - len(lost))
    assert not lost


def problems_of_a_failure(ended: Ended) -> list[str]:
    """Return what is wrong with how a command failed: exit code 1, one line, no traceback."""
    if ended.code != 1 or "Traceback" in ended.err:
        return [f"exit code {ended.code}: {ended.err[-3000:]}"]
    last = ended.err.splitlines()[-1]
    return [] if last.startswith("slic: ") else [f"last line {last!r}"]


@pytest.mark.parametrize("victim", [0, 1])
def test_one_of_two_processes_that_is_killed_ends_the_run_with_one_line(
    victim: int,
    slic: Slic,
    wait_until: Callable[..., None],
    material: Material,
    campaign: Campaign,
    tmp_path: Path,
) -> None:
    trials = campaign.trials(quick=0, soak=5)
    rng, lost, finished = Random(victim), list[str](), 0
    for trial in range(trials):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        group = f"MASTER_ADDR='127.0.0.1', MASTER_PORT='{port}', WORLD_SIZE='2'"
        words = ["pretrain", material.videos, "--out", tmp_path / f"{trial}", "--log_with=none"]
        both = [
            slic(
                *words, "--recipe", material.recipe, "--train.epochs=40",
                before=f"import os\nos.environ.update(RANK='{r}', LOCAL_RANK='{r}', {group})",
            )
            for r in (0, 1)
        ]  # fmt: skip
        begun = tmp_path / f"{trial}" / "recipe.yaml"  # they have met
        wait_until(begun.exists, both[0])
        time.sleep(rng.random() * 6)
        both[victim].kill()
        killed = time.monotonic()
        ended = both[1 - victim].wait(60)
        if ended.code is None:
            lost.append(f"trial {trial}: it waits for ever")
        elif ended.code == 0:  # the run was over before the kill
            finished += (tmp_path / f"{trial}" / "encoder" / "model.safetensors").is_file()
        elif problems := problems_of_a_failure(ended):
            lost.append(f"trial {trial}: {problems} after {time.monotonic() - killed:.0f} s")
        both[victim].wait()
    tried, note = trials - finished, f"{finished} more were over before the kill"
    campaign.record(
        f"killed process {victim} of 2", tried=tried, survived=tried - len(lost), note=note
    )
    assert not lost


def launched(
    hosts: list[Host], script: Path, *, torchrun: bool
) -> dict[Path, subprocess.Popen[bytes]]:
    """Start a script on each host, as a process of one run; return them by what they print."""
    address, started = hosts[0].address, {}
    for rank, host in enumerate(hosts):
        group = f"RANK={rank} LOCAL_RANK=0 WORLD_SIZE=2 MASTER_ADDR={address} MASTER_PORT=29500"
        line = f"env {group} {sys.executable} {script}"
        if torchrun:
            where = f"--node_rank={rank} --master_addr={address} --master_port=29500"
            program = f"{sys.executable} -m torch.distributed.run"
            line = f"{program} --nnodes=2 --nproc_per_node=1 {where} {script}"
        printed = script.parent / f"{host.name}.txt"
        with printed.open("wb") as file:
            started[printed] = subprocess.Popen(host.command(line), stdout=file, stderr=file)
    return started


def lose(host: Host, fault: str) -> None:
    """Let a host be lost in one of three ways."""
    if fault == "unplugged":
        host.pull_cable()
    elif fault == "vanished":
        host.vanish()
    else:
        for pid in host.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("torchrun", [False, True])
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("fault", ["killed", "unplugged", "vanished"])
def test_a_host_that_is_lost_ends_the_processes_on_the_other(
    fault: str, victim: int, hosts: list[Host], material: Material, campaign: Campaign,
    tmp_path: Path, *, torchrun: bool,
) -> None:  # fmt: skip
    campaign.leave_to_soak()
    script, run = tmp_path / "train.py", tmp_path / "run"
    words = ["pretrain", material.videos, "--out", run, "--recipe", material.recipe]
    words += ["--log_with=none", "--train.epochs=400"]
    script.write_text(SLOW_STEPS.format(words=[*map(str, words)]))
    running = launched(hosts, script, torchrun=torchrun)
    try:
        while not (run / "checkpoints" / "last.pt").exists():
            assert all(one.poll() is None for one in running.values()), texts(running)
            time.sleep(0.1)
        lose(hosts[victim], fault)
        lost = time.monotonic()
        other = tmp_path / f"node{1 - victim}.txt"
        code = running[other].wait(150)
        seconds = time.monotonic() - lost
    finally:
        for host in hosts:
            lose(host, "killed")
        for one in running.values():
            one.wait()
    text = other.read_text()
    assert code == 1, text
    said = [line for line in text.splitlines() if line.startswith("slic: ")][-1]
    place = f"process {victim} of 2 (on node{victim}, {hosts[victim].address})"
    assert f"slic: {place} has ended or cannot be reached" in said
    assert torchrun or "Traceback" not in text
    load_checkpoint(run / "checkpoints" / "last.pt", version=CHECKPOINT_FORMAT)
    launcher = "torchrun" if torchrun else "by hand"
    campaign.record(
        f"lost host: {fault}, node{victim}, {launcher}", tried=1, survived=int(seconds < 60),
        note=f"{seconds:.0f} s",
    )  # fmt: skip
    assert seconds < 60


def texts(running: dict[Path, subprocess.Popen[bytes]]) -> list[str]:
    """Return what processes printed."""
    return [path.read_text() for path in running]
