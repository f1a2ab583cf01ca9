"""Processes on two hosts train as one process does: here hosts are network namespaces."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.pretraining.folder import RunFolder
from slic.pretraining.state import CHECKPOINT_FORMAT
from slic.runs import load_checkpoint, read_log, save_checkpoint
from tests.conftest import Program, Running, WaitUntil
from tests.pretraining.hosts import Host

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="namespaces")]
IN_64_BITS = """
from slic.pretraining import build
plain = build.build_encoder
def in_64_bits(*arguments, **named):
    encoder = plain(*arguments, **named).double()
    encoder.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    return encoder
build.build_encoder = in_64_bits
"""
NORM_OF_EACH_CLIP = """
with_batch_norm = build.build_encoder
def with_norm_of_each_clip(*arguments, **named):
    encoder = with_batch_norm(*arguments, **named)
    for module in [*encoder.backbone.modules()]:
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm3d):
                setattr(module, name, torch.nn.GroupNorm(1, child.num_features).double())
    return encoder
build.build_encoder = with_norm_of_each_clip
"""
LARGE_BATCH = ["--train.batch_size=12", "--loss.temperature=0.5", "--sampling.flow_probability=0"]
TRAIN = """
import signal, torch
torch.set_num_threads(1)
from slic.pretraining import StopRequested, distributed, loop, pretrain
from slic.recipe import load_recipe
distributed.STOP_CHECK_STEPS = 1
train_step = loop.train_step
def maybe_stop(run, *arguments):
    train_step(run, *arguments)
    if run.state.step + 1 == {stop_after}:
        os.kill(os.getpid(), signal.SIGTERM)
loop.train_step = maybe_stop
recipe = load_recipe({recipe!r}, {settings!r})
try:
    pretrain(
        {videos!r}, out={out!r}, recipe=recipe, resume={resume}, progress=False, log_with=[]
    )
except StopRequested:
    pass
"""
NORM = """
import torch
from accelerate import Accelerator
from slic.pretraining.batch_norm import share_batch_norm
from slic.pretraining.peers import joined_processes
with joined_processes():
    accelerator = Accelerator(cpu=True)
    rank, world = accelerator.process_index, accelerator.num_processes
    for kind, shape in ((torch.nn.BatchNorm1d, (8, 5)), (torch.nn.BatchNorm3d, (4, 5, 2, 3, 3))):
        for options in ({}, dict(momentum=None), dict(affine=False)):
            generator = torch.Generator().manual_seed(0)
            x, slope = (torch.randn(2, *shape, generator=generator).double() for _ in range(2))
            one, ours = kind(5, **options).double(), kind(5, **options).double()
            share_batch_norm(ours)
            mine = slice(rank * shape[0] // world, (rank + 1) * shape[0] // world)
            for whole, by in zip(x, slope):  # two steps
                whole.requires_grad_()
                part = whole.detach()[mine].requires_grad_()
                (one(whole) * by).sum().backward()
                (ours(part) * by[mine]).sum().backward()
                torch.testing.assert_close(part.grad, whole.grad[mine])
            for weight, other in zip(one.parameters(), ours.parameters()):
                total = accelerator.reduce(other.grad, reduction="sum")
                torch.testing.assert_close(total, weight.grad)
            for buffer, other in zip(one.buffers(), ours.buffers()):
                torch.testing.assert_close(other, buffer)
            torch.testing.assert_close(ours.eval()(x[0]), one.eval()(x[0]))
    accelerator.end_training()
"""
MEET = """
from slic.pretraining import meeting, peers
meeting.PATIENCE_SECONDS = 0.5
with peers.joined_processes():
    pass
"""
Start = Callable[..., list[Running]]


@pytest.fixture
def start(program: Program, hosts: list[Host]) -> Start:
    """Return a function that starts a program in some processes on each of two hosts."""

    def start_all(
        text: str, *, per_host: int = 1, ranks: Sequence[int] | None = None
    ) -> list[Running]:
        world, at = 2 * per_host, hosts[0].address
        group = f"MASTER_ADDR='{at}', MASTER_PORT='29500', WORLD_SIZE='{world}'"
        return [
            program(
                f"{hosts[rank // per_host].entry}\n"
                f"os.environ.update(RANK='{rank}', LOCAL_RANK='{rank % per_host}', {group})\n{text}"
            )
            for rank in (range(world) if ranks is None else ranks)
        ]

    return start_all


def require_end(running: Sequence[Running]) -> None:
    """Check that processes end without an error."""
    ended = [process.wait(200) for process in running]
    assert [one.code for one in ended] == [0] * len(ended), [one.err[-900:] for one in ended]


def losses(run: Path) -> list[float]:
    return [record["loss"] for record in read_log(run / "log.jsonl") if record["kind"] == "step"]


def clusters(run: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (run / "clusters").iterdir()}


@pytest.fixture(scope="module")
def alone(
    program: Program, videos: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the run of one process in 64 bits."""
    out = tmp_path_factory.mktemp("alone") / "run"
    require_end([program("import os" + IN_64_BITS + source(videos, tiny, out))])
    assert len(losses(out)) == 9
    assert len(clusters(out)) == 2
    return out


def source(videos: Path, recipe: Path, out: Path, **named: Any) -> str:
    """Return the program of a run, which may stop after a step and resume."""
    words: dict[str, Any] = {"settings": [], "stop_after": 0, "resume": False} | named
    return TRAIN.format(videos=str(videos), recipe=str(recipe), out=str(out), **words)


@pytest.mark.parametrize("per_host", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_processes_on_two_hosts_make_the_steps_of_one(
    start: Start, alone: Path, videos: Path, tiny: Path, tmp_path: Path, per_host: int
) -> None:
    """Batch norm, which the tiny encoder has in every layer, is over all of them."""
    out = tmp_path / "run"
    require_end(start(IN_64_BITS + source(videos, tiny, out), per_host=per_host))
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-5)
    assert clusters(out) == clusters(alone)


@pytest.mark.soak
def test_torchrun_on_two_hosts_makes_the_steps_of_one(
    hosts: list[Host], alone: Path, videos: Path, tiny: Path, tmp_path: Path
) -> None:
    script, out = tmp_path / "train.py", tmp_path / "run"
    script.write_text("import os" + IN_64_BITS + source(videos, tiny, out))
    where = f"--master_addr={hosts[0].address} --master_port=29500"
    command = f"{sys.executable} -m torch.distributed.run --nnodes=2 --nproc_per_node=1 {where}"
    both = [
        subprocess.Popen(host.command(f"{command} --node_rank={node} {script}"))
        for node, host in enumerate(hosts)
    ]
    assert [one.wait(200) for one in both] == [0, 0]
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-5)
    assert clusters(out) == clusters(alone)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([0, 1], "10.77.0.1:29500: processes 2 and 3 of 4 are missing."),
        ([2, 3], "10.77.0.1:29500: process 0 does not answer (Connection refused)."),
    ],
)
def test_processes_that_are_missing_on_another_host_are_named(
    start: Start, wait_until: WaitUntil, there: list[int], said: str
) -> None:
    waiting = start(MEET, per_host=2, ranks=there)
    printed = waiting[0].err
    wait_until(lambda: printed.exists() and said in printed.read_text(), waiting[0])
    require_end([*start(MEET, per_host=2, ranks=sorted({0, 1, 2, 3} - {*there})), *waiting])


@pytest.mark.soak
@pytest.mark.parametrize("per_host", [1, 2])
def test_the_first_step_on_two_hosts_is_that_of_one_in_32_bits_too(
    start: Start, program: Program, videos: Path, tiny: Path, tmp_path: Path, per_host: int
) -> None:
    """Later ones are not compared: rounding grows, as the losses of such an encoder are chaotic."""
    one, shared = (source(videos, tiny, tmp_path / n, settings=LARGE_BATCH) for n in ("1", "2"))
    require_end([*start(shared, per_host=per_host), program(f"import os{one}")])
    assert losses(tmp_path / "2")[0] == pytest.approx(losses(tmp_path / "1")[0], rel=1e-5)
    name = "epoch-0000.jsonl"
    assert clusters(tmp_path / "2")[name] == clusters(tmp_path / "1")[name]


def test_a_run_goes_on_with_another_number_of_processes(
    start: Start, program: Program, alone: Path, videos: Path, tiny: Path, tmp_path: Path
) -> None:
    """One process, then two on two hosts, then one: each stops in the middle of an epoch."""
    out = tmp_path / "run"
    first, second, third = (
        IN_64_BITS + source(videos, tiny, out, stop_after=stop, resume=resume)
        for stop, resume in ((2, False), (5, True), (0, True))
    )
    require_end([program(f"import os{first}")])
    require_end(start(second))
    require_end([last := program(f"import os{third}")])
    assert "warning: the number of processes changed from 2 to 1. Videos" in last.err.read_text()
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-5)
    assert clusters(out) == clusters(alone)
    said = [r for r in read_log(out / "log.jsonl") if r["kind"] == "warning"]
    assert [record["step"] for record in said] == [2, 5]
    assert said[0]["message"].startswith("the number of processes changed from 1 to 2. Videos and ")


def test_parts_on_two_hosts_make_the_steps_of_the_large_batch(
    start: Start, program: Program, videos: Path, tiny: Path, tmp_path: Path
) -> None:
    """The backbone has no batch norm, the head does. All negatives of the batch are there."""
    before, epochs = f"import torch{IN_64_BITS}{NORM_OF_EACH_CLIP}", "--train.epochs=1"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    words = source(videos, tiny, whole, settings=[epochs])
    in_parts = source(videos, tiny, parts, settings=[epochs, "--train.accumulate=3"])
    require_end([*start(before + in_parts), program(f"import os\n{before}{words}")])
    assert len(losses(whole)) == 3
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-5)
    assert clusters(parts) == clusters(whole)


def test_batches_that_the_new_processes_cannot_share_are_refused(
    program: Program, videos: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    require_end([program("import os" + source(videos, tiny, out, stop_after=1))])
    saved = load_checkpoint(RunFolder(out).checkpoint, version=CHECKPOINT_FORMAT)
    save_checkpoint(saved | {"processes": 3}, RunFolder(out).checkpoint, version=CHECKPOINT_FORMAT)
    ended = program("import os" + source(videos, tiny, out, resume=True)).wait()
    assert "have 3 videos. Shared by 1, they would have 4. Resume it with 3 processes." in ended.err


@pytest.mark.parametrize("per_host", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_batch_norm_over_two_hosts_is_that_of_the_whole_batch(start: Start, per_host: int) -> None:
    require_end(start(NORM, per_host=per_host))
