"""Archives on Ray: the index equals the local one whatever is killed, and what Ray costs.

    python benchmarks/archive.py --scratch FOLDER [--videos 1000] [--pairs 3]

A cluster of two nodes on this machine indexes short videos. One node is killed at a third of them,
the driver at two thirds, with kill -9, and the same command continues. Then both engines index the
videos with two processes each, in turn, and times are compared: from the start, and from the first
result on. CPU time is that of all processes, sampled.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import torch

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

PROCESSES = 2
WINDOW_SECONDS = "1"
Rows = dict[tuple[str, int], tuple[float, float, np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parts = ("kill", "compare")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--drive", choices=("local", "ray"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(arguments.scratch, arguments.out, arguments.drive)
        return
    make_inputs(arguments.scratch, arguments.videos)
    if "kill" in arguments.parts:
        truth = arguments.scratch / "truth"
        finish(start_index(arguments.scratch, truth))
        survive(arguments.scratch, truth)
    if "compare" in arguments.parts:
        compare(arguments.scratch, arguments.pairs)


def make_inputs(scratch: Path, count: int) -> None:
    """Write short videos that all differ, one of them broken, and a small encoder."""
    videos = scratch / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if not (path := videos / f"{number:05}.mp4").exists():
            write_video(path, seed=number)
    broken = videos / f"{count // 2:05}.mp4"
    data = broken.read_bytes()
    broken.write_bytes(data[:1000])
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.25},
        head=HeadSpec(hidden=16, embedding=16),
        clip=ClipSpec(frames=8, stride=1, size=64),
    )
    VideoEncoder(config).save_pretrained(scratch / "encoder")


def write_video(path: Path, *, seed: int, frames: int = 60) -> None:
    """Write coloured blocks that move."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(frames):
            moved = np.ascontiguousarray(np.roll(picture, (seed % 5 + 1) * number, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())


def start_index(scratch: Path, out: Path, *words: str) -> "subprocess.Popen[str]":
    """Start ``slic index``."""
    videos, encoder = str(scratch / "videos"), str(scratch / "encoder")
    command = [sys.executable, "-m", "slic", "index", videos, "--encoder", encoder]
    command += ["--out", str(out), "--window", WINDOW_SECONDS, *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> list[str]:
    """Wait for a command and return its lines on stderr, without those of progress bars."""
    _, err = process.communicate()
    assert process.returncode == 0, err
    lines = err.replace("\r", "\n").splitlines()
    return [line for line in lines if line.startswith("slic:") or "lost" in line]


def survive(scratch: Path, truth: Path) -> None:
    """Index with two nodes, kill a node and the driver, go on, and compare with the truth."""
    from ray.cluster_utils import Cluster

    wanted = read_rows(truth)
    out = scratch / "killed"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    node = cluster.add_node(num_cpus=1)
    words = ("--engine", "ray", "--address", cluster.address)
    driver = start_index(scratch, out, *words)
    at_node = wait_for(out, len(wanted) // 3, driver)
    cluster.remove_node(node, allow_graceful=False)
    at_driver = wait_for(out, 2 * len(wanted) // 3, driver)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    left = len([*(out / "fragments").rglob("*.fragment")])
    cluster.add_node(num_cpus=1)
    lines = finish(start_index(scratch, out, *words))
    cluster.shutdown()  # type: ignore[no-untyped-call]
    found = read_rows(out)
    twice = sum(count_rows(out).values()) - len(found)
    apart = max(float(np.abs(found[key][2] - wanted[key][2]).max()) for key in wanted)
    same = all(found[key][:2] == wanted[key][:2] for key in wanted)
    print(f"moments of the local engine: {len(wanted)}")
    print(f"node killed at {at_node} moments, driver at {at_driver}, fragments left then: {left}")
    print(
        f"missing {len(wanted.keys() - found.keys())}, more {len(found.keys() - wanted.keys())}, "
        f"twice {twice}, same times {same}, vectors apart at most {apart:.1e}"
    )
    print(*lines, sep="\n")


def wait_for(out: Path, moments: int, driver: "subprocess.Popen[str]") -> int:
    """Wait until an index has so many moments, and return how many it has."""
    while (there := sum(count_rows(out).values())) < moments:
        assert driver.poll() is None, driver.stderr and driver.stderr.read()
        time.sleep(0.05)
    return there


def count_rows(index: Path) -> dict[str, int]:
    """Return the number of moments of each video."""
    try:
        connection = sqlite3.connect(f"file:{index / 'index.sqlite'}?mode=ro", uri=True)
        rows = connection.execute("SELECT video_id, count(*) FROM moments GROUP BY 1").fetchall()
    except sqlite3.OperationalError:  # it is being created
        return {}
    connection.close()
    return dict(rows)


def read_rows(index: Path) -> Rows:
    """Return times and vector of each moment."""
    connection = sqlite3.connect(index / "index.sqlite")
    rows = connection.execute(
        "SELECT v.path, m.number, m.start_seconds, m.end_seconds, m.vector FROM moments m"
        " JOIN videos v ON v.id = m.video_id"
    ).fetchall()
    connection.close()
    return {
        (path, number): (start, end, np.frombuffer(vector, "<f4"))
        for path, number, start, end, vector in rows
    }


def drive(scratch: Path, out: Path, name: str) -> None:
    """Index with an engine, and print when what was there; this runs in a process."""
    from slic.engines.local import LocalEngine
    from slic.engines.ray import RayEngine
    from slic.search import create_index, update_index
    from slic.videos.catalog import Catalog

    encoder = VideoEncoder.from_pretrained(scratch / "encoder")
    catalog = Catalog.from_folder(scratch / "videos", progress=False)
    index = create_index(out, encoder, window_seconds=float(WINDOW_SECONDS))
    times: list[tuple[int, float]] = []

    def note(done: int, _: int) -> None:
        times.append((done, time.time()))

    engine: Any = LocalEngine(workers=0, devices=PROCESSES)
    if name == "ray":
        engine = RayEngine(devices=PROCESSES)
    began = time.time()
    with engine:
        update_index(index, catalog, engine=engine, progress=False, on_batch=note)
        ended = time.time()
    first = next(item for item in times if item[0])
    print(json.dumps({"began": began, "first": first, "ended": ended, "last": times[-1]}))


@dataclass(frozen=True)
class Timing:
    """What a run took, in seconds.

    Attributes:
        startup: Until the first result.
        wall: From the first result to the last, for each moment.
        cpu: CPU time in the same span, for each moment.
        total: From the start to the end.
        total_cpu: CPU time in the same span.
    """

    startup: float
    wall: float
    cpu: float
    total: float
    total_cpu: float


def measure(scratch: Path, name: str, run: int) -> Timing:
    """Run an engine in a process and measure all its processes."""
    words = ["--scratch", str(scratch), "--drive", name, "--out", str(scratch / f"{name}-{run}")]
    command = [sys.executable, __file__, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    samples: list[tuple[float, float]] = []
    sampler = threading.Thread(target=sample, args=(process, samples))
    sampler.start()
    out, _ = process.communicate()
    sampler.join()
    times = json.loads(out.splitlines()[-1])
    (begun, first), (done, last) = times["first"], times["last"]
    at = [time for time, _ in samples]
    cpu = [seconds for _, seconds in samples]
    cpu_first, cpu_last, cpu_began = np.interp([first, last, times["began"]], at, cpu)
    return Timing(
        startup=first - times["began"],
        wall=(last - first) / (done - begun),
        cpu=float(cpu_last - cpu_first) / (done - begun),
        total=times["ended"] - times["began"],
        total_cpu=float(cpu_last - cpu_began),
    )


def sample(process: "subprocess.Popen[str]", samples: list[tuple[float, float]]) -> None:
    """Note the CPU time of a process and all that it started, until it ends."""
    seconds: dict[int, float] = {}
    ours = {process.pid}
    while process.poll() is None:
        stats = [read_stat(path) for path in Path("/proc").glob("[0-9]*/stat")]
        parents = {pid: parent for pid, parent, _ in stats}
        while more := {pid for pid in parents if parents[pid] in ours} - ours:
            ours |= more
        seconds |= {pid: spent for pid, _, spent in stats if pid in ours}
        samples.append((time.time(), sum(seconds.values())))
        time.sleep(0.25)


def read_stat(path: Path) -> tuple[int, int, float]:
    """Return id, parent and CPU time of a process; zeros if it has ended."""
    try:
        name, _, rest = path.read_text().rpartition(")")
    except OSError:
        return 0, 0, 0.0
    words = rest.split()
    ticks = int(words[11]) + int(words[12])
    return int(name.split(" ")[0]), int(words[1]), ticks / os.sysconf("SC_CLK_TCK")


def compare(scratch: Path, pairs: int) -> None:
    """Print what both engines take, in interleaved pairs."""
    timings: dict[str, list[Timing]] = {"local": [], "ray": []}
    print("engine  startup_s  ms_per_moment  cpu_ms_per_moment  total_s  total_cpu_s")
    for run in range(pairs):
        for name in ("local", "ray") if run % 2 == 0 else ("ray", "local"):
            one = measure(scratch, name, run)
            timings[name].append(one)
            print(
                f"{name:6} {one.startup:10.1f} {1000 * one.wall:14.2f} {1000 * one.cpu:18.2f} "
                f"{one.total:8.1f} {one.total_cpu:12.1f}",
                flush=True,
            )
    for field in ("wall", "cpu", "total", "total_cpu"):
        ratios = [
            getattr(ray, field) / getattr(local, field)
            for ray, local in zip(timings["ray"], timings["local"], strict=True)
        ]
        print(
            f"ray / local, {field}: median {median(ratios):.2f} "
            f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("RAY_worker_niceness", "0")  # as the local processes, beside other work
    main()
