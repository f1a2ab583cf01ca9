"""Interpolated positions: by hand, by properties, and against a loop of one axis at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from slic.models.backbones.transformers.positions import (
    TokenGrid,
    resample_positions,
    resample_table,
)


def linear(values: Tensor, length: int) -> Tensor:
    """Interpolate along the first axis; places are the centres of equal cells."""
    old = len(values)
    places = ((np.arange(length) + 0.5) * old / length - 0.5).clip(0, old - 1)
    left = np.floor(places).astype(int).clip(0, max(old - 2, 0))
    right = (left + 1).clip(0, old - 1)
    share = torch.tensor(places - left, dtype=values.dtype)
    share = share.view(-1, *[1] * (values.ndim - 1))
    return values[left] * (1 - share) + values[right] * share


@pytest.mark.parametrize("new", [(4, 6, 6), (2, 3, 3), (1, 4, 4), (8, 2, 2)])
def test_a_table_is_interpolated_along_each_axis_in_turn(new: tuple[int, int, int]) -> None:
    old = (2, 4, 4)
    table = torch.randn(1, 1 + 2 * 4 * 4, 5, generator=torch.Generator().manual_seed(0))
    grid = table[0, 1:].reshape(*old, 5)
    for axis, length in enumerate(new):
        grid = linear(grid.transpose(0, axis), length).transpose(0, axis)
    wanted = torch.cat([table[0, :1], grid.reshape(-1, 5)])[None]
    torch.testing.assert_close(resample_table(table, old=old, new=new), wanted)


def test_the_same_grid_changes_nothing() -> None:
    table = torch.randn(17, 3)
    assert resample_table(table, old=(1, 4, 4), new=(1, 4, 4)) is table


def test_only_positions_change_along_their_own_axes() -> None:
    state = {
        "space": torch.randn(1, 5, 3),
        "time": torch.randn(1, 2, 3),
        "weight": torch.randn(4, 4),
    }
    positions = {"space": "space", "time": "time", "absent": "space-time"}
    old, new = TokenGrid(time=2, side=2), TokenGrid(time=6, side=4)
    resampled = resample_positions(state, positions, old=old, new=new)  # type: ignore[arg-type]
    assert {name: tuple(value.shape) for name, value in resampled.items()} == {
        "space": (1, 17, 3),
        "time": (1, 6, 3),
        "weight": (4, 4),
    }
    assert resampled["weight"] is state["weight"]
    assert torch.equal(resampled["space"][:, 0], state["space"][:, 0])  # the class token
    torch.testing.assert_close(resampled["time"][0], linear(state["time"][0], 6))
