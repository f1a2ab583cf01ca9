"""A state dict fits exactly, or one line says which weights do not."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from slic.errors import CheckpointError
from slic.models.weights import load_exactly

SOURCE = Path("folder/weights.pth")


def weights() -> dict[str, Tensor]:
    return {"0.weight": torch.ones(3, 2), "0.bias": torch.ones(3), "1.weight": torch.ones(1, 3)}


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False))


def test_weights_that_fit_are_loaded() -> None:
    load_exactly(net := network(), weights(), source=SOURCE)
    assert all(torch.equal(value, torch.ones_like(value)) for value in net.state_dict().values())


def test_weights_that_do_not_fit_are_named_in_one_line_and_nothing_is_loaded() -> None:
    state = weights() | {"0.bias": torch.ones(4), "2.weight": torch.ones(1)}
    del state["1.weight"]
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = (
        "folder/weights.pth: the weights do not fit the encoder; missing: 1.weight; unexpected: "
        "2.weight; of another shape: 0.bias (4,) instead of (3,)."
    )
    with pytest.raises(CheckpointError, match=f"^{re.escape(expected)}$"):
        load_exactly(net, state, source=SOURCE)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_of_many_weights_the_first_are_named() -> None:
    with pytest.raises(CheckpointError, match=r"missing: 0\.weight, 0\.bias, 1\.weight; unexp"):
        load_exactly(network(), {"a": torch.ones(1)}, source=SOURCE)
    deep = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(9)))
    with pytest.raises(CheckpointError, match=r"missing: 0\.weight, 1\.weight, 2\.weight and 6 m"):
        load_exactly(deep, {}, source=SOURCE)
