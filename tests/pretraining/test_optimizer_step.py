"""A step waits for no number, and one that is left out is as if it had never been tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from slic.clustering.base import PseudoLabels
from slic.optimizers import OPTIMIZERS
from slic.pretraining import loop, run_log
from slic.pretraining.build import build_run
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.optimizer_step import SafeOptimizer
from slic.pretraining.run_log import RunLog
from slic.recipe import load_recipe
from slic.runs import read_log
from slic.schedules import ConstantSchedule
from slic.videos.catalog import Catalog

aten = torch.ops.aten
# What has to know a number, or how many there are, before the host can go on.
WAITING = {
    aten._local_scalar_dense, aten.nonzero, aten.nonzero_static, aten.masked_select, aten.equal,
    aten._unique2, aten.unique_dim, aten.bincount, aten.repeat_interleave,
}  # fmt: skip
TO_HOST = {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.item, Tensor.__bool__, Tensor.__array__}


class NoNumbers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that wait for the device, wherever they are called."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = [
            index
            for index in (args[1] if func.overloadpacket in (aten.index, aten.index_put_) else [])
            if index is not None and index.dtype == torch.bool
        ]
        waits = masks or func.overloadpacket in WAITING
        assert not waits, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


class NothingToHost(TorchFunctionMode):
    """Refuses methods that hand numbers to Python."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in TO_HOST, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


@contextmanager
def nothing_may_wait() -> Iterator[None]:
    with NoNumbers(), NothingToHost():  # type: ignore[no-untyped-call]
        yield


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x.tolist(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: torch.equal(x, x),
        lambda x: x.cpu(),
        lambda x: torch.nn.utils.get_total_norm([x], error_if_nonfinite=True),
    ],
)
def test_what_waits_is_caught(wait: Callable[[Tensor], object]) -> None:
    with pytest.raises(AssertionError, match="waits for the device"), nothing_may_wait():
        wait(torch.ones(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [["--loss.name=info_nce"], ["--loss.name=triplet", "--loss.negatives=violating"],
     ["--loss.name=triplet", "--loss.negatives=semi-hard"]],
)  # fmt: skip
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("backbone", ["slic/r3d10", "slic/motion"])
def test_no_step_waits_for_the_device(
    catalog: Catalog,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loss: list[str],
    optimizer: str,
    backbone: str,
) -> None:
    small = ["--backbone.width=0.125"]
    flow = ["--sampling.flow_probability=0", "--backbone.depth=10"]
    small += flow if backbone == "slic/motion" else []
    parts = [f"--backbone.name={backbone}", *small, f"--optimizer.name={optimizer}", *loss]
    recipe = load_recipe(tiny, parts)
    run = build_run(recipe, catalog, Processes(Accelerator(cpu=True)), progress=False)
    run.state.pseudo_labels = {"embedding": PseudoLabels(np.arange(len(catalog)) % 3)}
    run.encoder.train()
    monkeypatch.setattr(run_log, "_lag_steps", lambda _: 100)  # the log is read afterwards
    with RunFolder(tmp_path) as folder:
        log = RunLog(folder, run.processes, ids=[], progress=False)
        run.callbacks.callbacks += [log, *recipe.build_callbacks()]
        run.callbacks.on_start(run)
        run.callbacks.on_epoch_begin(run)
        batches = list(loop.epoch_batches(run))
        with nothing_may_wait():
            for batch in batches:
                loop.train_step(run, batch)
        assert not read_log(folder.log_file)
        log.flush(run)
        assert [r["step"] for r in read_log(folder.log_file)] == [1, 2, 3]


OPTIMIZER_ARGUMENTS: dict[str, tuple[str, dict[str, float]]] = {
    "adamw": ("adamw", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "sgd": ("sgd", {"learning_rate": 0.1, "momentum": 0.0}),
    "sgd with momentum": ("sgd", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1}),
    "one that is not fused": ("rmsprop", {"lr": 0.01, "momentum": 0.5}),
}


def make_optimizer(network: nn.Module, kind: str) -> torch.optim.Optimizer:
    name, arguments = OPTIMIZER_ARGUMENTS[kind]
    build: Any = OPTIMIZERS.get(name, torch.optim.RMSprop)
    optimizer: torch.optim.Optimizer = build(list(network.parameters()), **arguments)
    return optimizer


def toy() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def forward(network: nn.Module, step: int, spoil: str) -> Tensor:
    x = torch.randn(16, 4, generator=Generator().manual_seed(step))
    if spoil == "input":
        x[0] = torch.inf
    y = network(x)
    if spoil == "one number of the gradient":
        y.register_hook(spoil_one)
    loss: Tensor = y.square().mean()
    return loss * torch.nan if spoil == "loss" else loss


def spoil_one(gradient: Tensor) -> Tensor:
    spoiled = gradient.clone()
    spoiled.view(-1)[5] = torch.nan
    return spoiled


@pytest.mark.parametrize("kind", OPTIMIZER_ARGUMENTS)
@pytest.mark.parametrize("spoil", ["loss", "one number of the gradient", "input"])
@pytest.mark.parametrize("bad", [{0}, {1, 2, 5}, {0, 1, 7}])
def test_skipped_steps_are_as_if_they_had_not_been_tried(
    kind: str, spoil: str, bad: set[int]
) -> None:
    guarded = toy()
    rate = OPTIMIZER_ARGUMENTS[kind][1].get("learning_rate", 0.01)
    optimizer = make_optimizer(guarded, kind)
    safe = SafeOptimizer(guarded, optimizer, learning_rate=rate, schedule=ConstantSchedule())
    for step in range(8):
        assert safe.start_step(step, 8) == rate
        loss = forward(guarded, step, spoil if step in bad else "")
        assert safe.step(loss).item() == (step in bad)

    plain = toy()
    truth = make_optimizer(plain, kind)
    for step in sorted(set(range(8)) - bad):
        plain.zero_grad()
        forward(plain, step, "").backward()  # type: ignore[no-untyped-call]
        truth.step()
    for (name, value), expected in zip(
        guarded.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        assert torch.equal(value, expected), name
    gathered, expected_state = (o.state_dict()["state"] for o in (optimizer, truth))
    for place, values in gathered.items():
        for name, value in values.items():
            assert torch.equal(value, expected_state[place][name]), name


def test_momentum_that_starts_from_zeros_changes_no_step() -> None:
    ours, plain = toy(), toy()
    optimizer = OPTIMIZERS["sgd"](ours.parameters(), learning_rate=0.1, momentum=0.5)
    truth = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5)
    for step in range(5):
        for network, steps in ((ours, optimizer), (plain, truth)):
            network.zero_grad()
            forward(network, step, "").backward()  # type: ignore[no-untyped-call]
            steps.step()
    for value, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, expected)
