"""Optimizers have the paper's defaults, and refuse what cannot be trained with."""

import pytest
import torch
from torch import nn

from slic.errors import RecipeError
from slic.optimizers import OPTIMIZERS, adamw, sgd


def weights() -> list[nn.Parameter]:
    return list(nn.Linear(3, 2).parameters())


def test_the_papers_optimizer_is_the_default() -> None:
    optimizer = sgd(weights())
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.5, 0.0)
    assert len(group["params"]) == 2


def test_adamw_takes_its_arguments() -> None:
    (group,) = adamw(weights(), learning_rate=0.01, weight_decay=0.2).param_groups
    assert (group["lr"], group["weight_decay"]) == (0.01, 0.2)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_learning_rate_is_refused(name: str, rate: float) -> None:
    with pytest.raises(RecipeError, match="learning_rate is"):
        OPTIMIZERS[name](weights(), learning_rate=rate)
