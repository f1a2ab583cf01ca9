"""A Ray cluster loses a node, and its command is killed: the index is that of one process."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import tiny_encoder

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(1500),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
VIDEOS = 60


_PROGRAM = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={head})
nodes = []
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "add\\n":
        nodes.append(cluster.add_node(num_cpus=1))
    else:
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""


class ClusterProcess:
    """A cluster of Ray in a process of its own, which it may leave in disorder."""

    def __init__(self, **head: int) -> None:
        program = _PROGRAM.replace("{head}", repr({"include_dashboard": False, **head}))
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._line()

    def ask(self, word: str) -> None:
        """Add a node of one core, or kill the last one."""
        assert self._process.stdin
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._line() == "done"

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture
def cluster() -> Iterator[ClusterProcess]:
    """Return a cluster of one node of one core; tests add more."""
    pytest.importorskip("ray.data")
    made = ClusterProcess(num_cpus=1)
    yield made
    made.close()


@pytest.fixture
def words(tmp_path: Path, make_video: Callable[..., Path]) -> list[str]:
    """Return the command that indexes some videos, one of them broken, without ``--out``."""
    videos, encoder = tmp_path / "videos", tmp_path / "encoder"
    for number in range(VIDEOS):
        make_video(videos / f"{number}.mp4", frames=50 + number, size=(64, 48))
    (videos / "broken.mp4").write_bytes((videos / "0.mp4").read_bytes()[:900])
    tiny_encoder().save_pretrained(encoder)
    slic = [sys.executable, "-m", "slic", "index", str(videos), "--encoder", str(encoder)]
    return [*slic, "--window=1"]


def start(words: list[str], *more: object) -> "subprocess.Popen[str]":
    command = [*words, *map(str, more)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(running: "subprocess.Popen[str]") -> str:
    """Wait until a command has succeeded, and return what it wrote to stderr."""
    _, err = running.communicate()
    assert running.returncode == 0, err
    return err


def rows(index: Path) -> list[tuple[str, int, float, bytes]]:
    """Return the moments so far."""
    try:
        connection = sqlite3.connect(f"file:{index / 'index.sqlite'}?mode=ro", uri=True)
        found = connection.execute(
            "SELECT v.path, m.number, m.start_seconds, m.vector FROM moments m"
            " JOIN videos v ON v.id = m.video_id ORDER BY 1, 2"
        ).fetchall()
    except sqlite3.OperationalError:  # it is being created
        return []
    connection.close()
    return found


def wait_for(index: Path, count: int, running: "subprocess.Popen[str]") -> None:
    while len(rows(index)) < count:
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)


def test_a_killed_node_and_a_killed_command_leave_the_index_of_one_process(
    cluster: ClusterProcess, words: list[str], tmp_path: Path
) -> None:
    truth = tmp_path / "truth"
    finish(start(words, "--out", truth))
    wanted = rows(truth)
    cluster.ask("add")
    index = tmp_path / "index"
    on_ray = ("--out", index, "--engine", "ray", "--address", cluster.address)
    driver = start(words, *on_ray)
    wait_for(index, len(wanted) // 3, driver)
    cluster.ask("remove")
    wait_for(index, 2 * len(wanted) // 3, driver)
    driver.kill()
    driver.communicate()
    cluster.ask("add")
    assert "Traceback" not in finish(start(words, *on_ray))
    found = rows(index)
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    vectors = [np.stack([np.frombuffer(row[3], "<f4") for row in all_]) for all_ in (found, wanted)]
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)
    assert not [*index.rglob("*.fragment")]


def test_two_processes_share_a_gpu_and_other_tasks_decode(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("ray.data")
    truth, index = tmp_path / "truth", tmp_path / "index"
    finish(start(words, "--out", truth))
    cluster = ClusterProcess(num_cpus=2, num_gpus=1)  # Ray takes our word for the GPU
    on_ray = ("--out", index, "--engine", "ray", "--address", cluster.address, "--devices", 2)
    err = finish(start(words, *on_ray))
    cluster.close()
    assert "GPU-seconds (embed" in err
    assert [row[:3] for row in rows(index)] == [row[:3] for row in rows(truth)]


def test_all_signals_end_the_command_with_one_line(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("ray.data")
    words = [*words, "--stride=0.1"]  # ten times as many moments: none ends before its signal
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        index = tmp_path / f"index{code}"
        running = start(words, "--out", index, "--engine", "ray", "--devices", 1)
        wait_for(index, 1, running)
        os.killpg(running.pid, number)
        _, err = running.communicate()
        assert running.returncode == code, err
        last = err.replace("\r", "\n").splitlines()[-1]
        assert last.startswith("slic: stopped; ")
        assert last.endswith("--engine ray --devices 1")
        assert "Traceback" not in err
