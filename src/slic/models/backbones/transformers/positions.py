"""Position embeddings for other frames and sizes than those of the weights."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Axes = Literal["space", "time", "space-time"]


class TokenGrid(NamedTuple):
    """Number of tokens along time, and along height and width."""

    time: int
    side: int

    def along(self, axes: Axes) -> tuple[int, int, int]:
        """Return the shape ``t h w`` of a table that varies along some axes only."""
        time = 1 if axes == "space" else self.time
        side = 1 if axes == "time" else self.side
        return time, side, side


def resample_positions(
    state: Mapping[str, Tensor], positions: Mapping[str, Axes], *, old: TokenGrid, new: TokenGrid
) -> dict[str, Tensor]:
    """Return a state dict whose position embeddings fit another grid of tokens.

    Args:
        state: The weights.
        positions: Names of the weights that hold position embeddings, and their axes.
        old: The grid of the weights.
        new: The grid that is wanted.
    """
    resampled = {
        name: resample_table(state[name], old=old.along(axes), new=new.along(axes))
        for name, axes in positions.items()
        if name in state
    }
    return {**state, **resampled}


def resample_table(
    table: Float[Tensor, "*one n d"], *, old: tuple[int, int, int], new: tuple[int, int, int]
) -> Float[Tensor, "*one m d"]:
    """Interpolate a table of positions linearly; rows before the grid, such as a class token, stay.

    Args:
        table: One row per token, in the order time, height, width.
        old: Shape of the grid of the table.
        new: Shape of the grid that is wanted.
    """
    if old == new:
        return table
    rows = table.reshape(-1, table.shape[-1])
    before = len(rows) - old[0] * old[1] * old[2]
    grid = rows[before:].reshape(1, *old, -1).permute(0, 4, 1, 2, 3)
    grid = F.interpolate(grid, size=new, mode="trilinear", align_corners=False)
    resampled = grid.permute(0, 2, 3, 4, 1).reshape(-1, table.shape[-1])
    joined = rows.new_empty(before + len(resampled), table.shape[-1])
    joined[:before], joined[before:] = rows[:before], resampled
    return joined.reshape(*table.shape[:-2], *joined.shape)
