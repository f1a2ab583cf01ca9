"""Training with 1 and 2 processes of one thread: time and CPU time of a step, and bytes sent.

``python -m benchmarks.several_processes`` prints a table. The two processes run on one machine,
and on two hosts that are network namespaces (Linux, as root). Each row is the best of two.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np

from slic.runs import read_log
from slic.sample.dataset import write_sample
from tests.pretraining.hosts import Host, made_hosts

STEPS = 12
WARM_UP = 4
RECIPE = """
clip: {frames: 4, stride: 1, size: 48}
sampling: {same_video_probability: 0.2, flow_probability: 0.0}
backbone: {name: slic/r3d10, width: 0.25}
head: {hidden: 512, embedding: 128}
clustering: {name: none}
rounds: {every_epochs: 100, inputs: [rgb]}
loss: {name: info_nce}
temporal: {weight: 1.0}
optimizer: {name: sgd, learning_rate: 0.01}
schedule: {name: constant}
train: {steps: 12, batch_size: 16, workers: 0, precision: fp32}
"""
MAIN = "import torch; torch.set_num_threads(1); from slic.cli import main; main({words!r})"


@contextmanager
def places(kind: str) -> Iterator[list[Host | None]]:
    """Give where the processes run."""
    if kind != "2 hosts":
        yield [None] * int(kind[0])
        return
    with made_hosts(2) as hosts:
        yield list(hosts)


def train(kind: str, folder: Path, name: str) -> tuple[float, float, float]:
    """Return the seconds and CPU seconds of a step, and the bytes that a host sent in it."""
    out = folder / name
    words = ["pretrain", folder / "videos", "--out", out, "--recipe", folder / "recipe.yaml"]
    program = MAIN.format(words=[*map(str, words), "--log_with=none"])
    before = getrusage(RUSAGE_CHILDREN)
    with places(kind) as hosts:
        at = next((host.address for host in hosts if host), "127.0.0.1")
        running = []
        for rank, host in enumerate(hosts):
            group: dict[str, object] = {
                "RANK": rank,
                "LOCAL_RANK": 0 if host else rank,
                "WORLD_SIZE": len(hosts),
            }
            group |= {"MASTER_ADDR": at, "MASTER_PORT": 29500}
            named = {name: str(value) for name, value in group.items()} if len(hosts) > 1 else {}
            source = f"{host.entry if host else ''}\n{program}"
            environment = os.environ | named | {"OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-c", source]
            running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        codes = [one.wait() for one in running]
        assert codes == [0] * len(codes), codes
        sent = hosts[0].sent_bytes() / STEPS if hosts[0] else np.nan
    after = getrusage(RUSAGE_CHILDREN)
    steps = [record for record in read_log(out / "log.jsonl") if record["kind"] == "step"]
    seconds = float(np.median([record["seconds"] for record in steps[WARM_UP:]]))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, sent


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample(folder / "videos", train=16, test=0, workers=1, progress=False)
        (folder / "recipe.yaml").write_text(RECIPE)
        kinds = ("1 process", "2 processes", "2 hosts")
        rows = {
            kind: [train(kind, folder, f"{kind}-{again}") for again in range(2)] for kind in kinds
        }
        print("| where | seconds a step | CPU seconds of the run | MB sent by a host in a step |")
        print("|---|---|---|---|")
        for kind, found in rows.items():
            seconds, cpu, sent = np.array(found).min(0)
            print(f"| {kind} | {seconds:.3f} | {cpu:.1f} | {sent / 1e6:.2f} |")


if __name__ == "__main__":
    main()
