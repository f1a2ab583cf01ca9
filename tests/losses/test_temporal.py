"""The temporal loss by hand."""

import pytest
import torch

from slic.errors import RecipeError
from slic.losses import TemporalLoss


def test_by_hand() -> None:
    x, y = torch.eye(2)[[0]], torch.eye(2)[[1]]
    loss = TemporalLoss(margin=0.04)
    assert loss(x, second_view=x, positive=y).item() == 0.0
    assert loss(x, second_view=y, positive=x).item() == pytest.approx(1.04)


@pytest.mark.parametrize("argument", ["weight", "margin"])
def test_arguments_below_zero_are_refused(argument: str) -> None:
    with pytest.raises(RecipeError, match=f"{argument} is -1"):
        TemporalLoss(**{argument: -1.0})
