"""A step waits for no number, and one that is left out is as if it had never been tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from slic.clips.loader import batch_loader
from slic.clustering.base import PseudoLabels
from slic.pretraining.folder import RunFolder
from slic.pretraining.parts import new_optimizer
from slic.pretraining.run import Run
from slic.pretraining.stepping import step_if_finite
from slic.recipe import Recipe, TrainSettings, load_recipe
from slic.runs import read_log
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


def changed(recipe: Recipe, section: str, **values: Any) -> Recipe:
    return replace(recipe, **{section: replace(getattr(recipe, section), **values)})


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


@pytest.fixture
def run(catalog: Catalog, tmp_path: Path) -> Iterator[Callable[[Recipe], Run]]:
    """Return a function that builds a run whose first round is done."""

    def build(recipe: Recipe) -> Run:
        run = Run(recipe, catalog, folder, Accelerator(cpu=True))
        run.pseudo_labels = PseudoLabels(np.arange(len(catalog)) % 3)
        run.batches.start(0, run.pseudo_labels)
        run.encoder.train()
        run.reporter.start(run.total_steps, done=0, progress=False)
        return run

    with RunFolder(tmp_path) as folder:
        yield build


@pytest.mark.parametrize(
    ("loss", "rule"),
    [("info_nce", "violating"), ("triplet", "violating"), ("triplet", "semi-hard")],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("motion", [False, True])
def test_no_step_waits_for_the_device(
    run: Callable[[Recipe], Run], tiny: Path, loss: str, rule: str, optimizer: str, motion: bool
) -> None:
    recipe = changed(load_recipe(tiny), "train", optimizer=optimizer)
    if motion:
        recipe = changed(recipe, "sampling", flow_probability=0.0)
        recipe = changed(recipe, "encoder", motion=True)
    stepping = run(changed(recipe, "loss", kind=loss, negatives=rule))
    stepping.watch.behind = 100  # the log is read afterwards
    batches = list(batch_loader(stepping.dataset, stepping.batches, workers=0))
    with nothing_may_wait():
        for batch in batches:
            stepping.train_step(stepping.encoder, batch)
    assert not read_log(stepping.folder.log_file)
    stepping.save()
    assert [r["step"] for r in read_log(stepping.folder.log_file)] == [1, 2, 3]


SETTINGS = {
    "adamw": TrainSettings(optimizer="adamw", learning_rate=0.01, weight_decay=0.1),
    "sgd": TrainSettings(learning_rate=0.1, momentum=0.0),
    "sgd with momentum": TrainSettings(learning_rate=0.1, momentum=0.5, weight_decay=0.1),
}


def toy() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def forward_backward(network: nn.Module, step: int, spoil: str) -> Tensor:
    x = torch.randn(16, 4, generator=Generator().manual_seed(step))
    if spoil == "input":
        x[0] = torch.inf
    network.zero_grad()
    loss: Tensor = network(x).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    if spoil == "one number of the gradient":
        next(iter(network.parameters())).grad.view(-1)[5] = torch.nan  # type: ignore[union-attr]
    return loss * torch.nan if spoil == "loss" else loss


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("spoil", ["loss", "one number of the gradient", "input"])
@pytest.mark.parametrize("bad", [{0}, {1, 2, 5}, {0, 1, 7}])
def test_steps_left_out_are_as_if_they_had_not_been_tried(
    settings: TrainSettings, spoil: str, bad: set[int]
) -> None:
    guarded = toy()
    optimizer = new_optimizer(guarded, settings)
    for step in range(8):
        before = [buffer.clone() for buffer in guarded.buffers()]
        loss = forward_backward(guarded, step, spoil if step in bad else "")
        statistics = zip(guarded.buffers(), before, strict=True)
        assert step_if_finite(optimizer, loss, statistics=statistics).item() == (step in bad)

    plain = toy()
    truth = new_optimizer(plain, settings)
    for step in sorted(set(range(8)) - bad):
        forward_backward(plain, step, "")
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
    optimizer = new_optimizer(ours, TrainSettings(learning_rate=0.1, momentum=0.5))
    truth = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5)
    for step in range(5):
        for network, steps in ((ours, optimizer), (plain, truth)):
            forward_backward(network, step, "")
            steps.step()
    for value, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, expected)
