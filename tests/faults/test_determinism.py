"""How far a run depends on workers, precision, processes and the processor.

Workers change nothing. The others change the order of sums, so the last bits of a step, which grow
from step to step: the network is random, and its batch norm sees four samples. These runs are part
of `make soak`; tests/clips/test_loader.py and tests/pretraining/test_distributed.py compare workers
and processes in `make test`.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.runs import read_log
from tests.faults.campaign import Campaign
from tests.faults.trials import SMALL_RUN

pytestmark = pytest.mark.slow

RECIPE = """
rounds: {every_epochs: 2, inputs: [rgb]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: null, steps: 60, batch_size: 16, groups: 4, workers: 0}
"""
PROGRAM = """
import os
os.environ.update({environment!r})
import torch
torch.set_num_threads({threads})
from slic.pretraining import pretrain
from slic.recipe import load_recipe
recipe = load_recipe({recipe!r}, {settings!r})
pretrain({videos!r}, out={out!r}, recipe=recipe, progress=False)
"""
Train = Callable[..., Path]


@pytest.fixture(autouse=True)
def only_in_soak(campaign: Campaign) -> None:
    campaign.leave_to_soak()


@pytest.fixture
def train(program: Callable[..., Any], make_video: Callable[..., Path], tmp_path: Path) -> Train:
    """Return a function that trains and returns the run folder.

    ``processor`` are environment variables that limit the instructions a new Python may use.
    """
    for number in range(32):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=12 + number, size=(64, 48))
    (tmp_path / "recipe.yaml").write_text(SMALL_RUN + RECIPE)

    def start(
        *settings: str, world: int = 1, threads: int = 1, processor: dict[str, str] | None = None
    ) -> Path:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
        of_rank = [
            PROGRAM.format(
                environment=group | {"RANK": str(r), "LOCAL_RANK": str(r)} if world > 1 else {},
                threads=threads,
                recipe=str(tmp_path / "recipe.yaml"),
                settings=list(settings),
                videos=str(tmp_path / "videos"),
                out=str(out),
            )
            for r in range(world)
        ]
        if processor is not None:
            command = [sys.executable, "-c", of_rank[0]]
            subprocess.run(command, env=os.environ | processor, check=True, timeout=600)
            return out
        for running in [*map(program, of_rank)]:
            ended = running.wait(seconds=600)
            assert ended.code == 0, ended.err
        return out

    return start


def weights(run: Path) -> bytes:
    return (run / "encoder" / "model.safetensors").read_bytes()


def losses(run: Path) -> np.ndarray:
    """Return the losses of each step of a run."""
    records = [record for record in read_log(run / "log.jsonl") if record["kind"] == "step"]
    return np.array([record["loss"] + record["temporal"] for record in records])


def clusters(run: Path) -> list[str]:
    return [path.read_text() for path in sorted((run / "clusters").glob("*.jsonl"))]


def difference(one: Path, other: Path) -> str:
    """Return the relative difference of the losses: at step 1, up to step 4, and up to the end."""
    apart = np.abs(losses(one) / losses(other) - 1)
    same = sum(map(str.__eq__, clusters(one), clusters(other)))
    rounds = f"{same} of {len(clusters(one))} rounds with the same clusters"
    return f"{apart[0]:.0e}, {apart[:4].max():.0e}, {apart.max():.0e}; {rounds}"


def test_any_number_of_workers_gives_the_same_weights(campaign: Campaign, train: Train) -> None:
    alone = train()
    assert len(losses(alone)) == 60
    for workers in (1, 3):
        assert weights(train(f"--train.workers={workers}")) == weights(alone)
    campaign.record("workers 1 and 3 beside 0", tried=2, survived=2, note="the same weights")


def test_bf16_repeats_itself_and_stays_near_fp32(campaign: Campaign, train: Train) -> None:
    fp32, bf16 = train(), train("--train.precision=bf16")
    assert weights(train("--train.precision=bf16")) == weights(bf16)
    np.testing.assert_allclose(losses(bf16)[0], losses(fp32)[0], rtol=0.05)
    campaign.record("bf16 beside fp32", tried=1, survived=1, note=difference(bf16, fp32))


def test_processes_share_the_losses_of_one(campaign: Campaign, train: Train) -> None:
    alone = train()
    for world in (2, 4):
        shared = train(world=world)
        np.testing.assert_allclose(losses(shared)[0], losses(alone)[0], rtol=1e-5)
        assert clusters(shared)[0] == clusters(alone)[0]
        note = difference(shared, alone)
        campaign.record(f"{world} processes beside 1", tried=1, survived=1, note=note)


def test_another_processor_changes_the_last_bits(campaign: Campaign, train: Train) -> None:
    here = train(processor={})
    assert weights(train(processor={})) == weights(here)
    machines = {
        "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        "SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    }
    others = {name: train(processor=processor) for name, processor in machines.items()}
    for name, other in (others | {"2 threads": train(threads=2, processor={})}).items():
        np.testing.assert_allclose(losses(other)[0], losses(here)[0], rtol=1e-5)
        campaign.record(name, tried=1, survived=1, note=difference(other, here))
