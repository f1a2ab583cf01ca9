"""How a clip moves, computed from its pictures inside the network: Lucas-Kanade flow.

A 3D network with random weights that sees whole pictures takes thousands of steps to find that
motion can be seen at all (docs/results.md). These channels show it from the first step on, for a
fifth of a small network's time, and need no flow file, no other input and no weight.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

GRID: Final = 32
"""Rows that motion is estimated on: it reaches to about two of them a frame step."""
_BEFORE: Final = 0.8  # Gaussian that pictures are smoothed with, in pixels of the grid
_WINDOW: Final = 1.5  # Gaussian window that a place's motion is estimated in
_NOISE: Final = 4e-4  # squared gradient, of pictures in 0..1, below which there is nothing to see
_SOFT: Final = 0.5  # motion, in pixels of the grid, that is drawn at half of the greatest strength
_TURNS: Final = 3  # of the search for the camera's motion

Picture = Float[Tensor, "b t h w"]


def motion_channels(clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b 3 t h w"]:
    """Return motion to the right, motion down, and its length, for every place of clips in -1..1.

    A length x in pixels of the grid becomes ``2 x / (0.5 + x)``: slow limbs show, and a mistaken
    fast motion does not outshine them. The motion of the camera is taken off. The last step is
    repeated, so that a clip keeps its length. Computed in float32, and without a gradient.
    """
    with torch.autocast(clips.device.type, enabled=False), torch.no_grad():
        h, w = clips.shape[-2:]
        u, v = clip_flow(clips, shrink=max(1, h // GRID))
        length = (u.square() + v.square()).sqrt_()
        strength = 2.0 / (_SOFT + length)
        drawn = torch.stack([u * strength, v * strength, length * strength], dim=-1)
        rows, columns = (  # the nearest; channels stay last in memory, as clips come
            torch.arange(side, device=clips.device) * small // side
            for side, small in zip((h, w), u.shape[-2:], strict=True)
        )
        large = drawn.index_select(2, rows).index_select(3, columns)
        return large.permute(0, 4, 1, 2, 3)


def clip_flow(
    clips: Float[Tensor, "b 3 t h w"], *, shrink: int
) -> tuple[Float[Tensor, "b t h2 w2"], Float[Tensor, "b t h2 w2"]]:
    """Return the flow of clips in -1..1, relative to the camera: right and down.

    Lucas and Kanade (1981): the motion of a place is the least-squares solution, in a window
    around it, of the constraint that a thing keeps its brightness.

    Args:
        clips: At least two frames each.
        shrink: The flow is estimated on pictures smaller by this factor, and in their pixels.
    """
    red, green, blue = clips.float().unbind(1)
    grey = 0.1495 * red + 0.2935 * green + 0.057 * blue  # of pictures in 0..1, but for an offset
    if shrink > 1:
        grey = avg_pool2d(grey, shrink)
    grey = _smoothed(grey, _BEFORE)
    first, second = grey[:, :-1], grey[:, 1:]
    x, y = _gradients((first + second) / 2)
    change = _without_camera(x, y, second - first)
    xx, yy, xy, xt, yt = _smoothed(
        torch.stack([x * x, y * y, x * y, x * change, y * change]), _WINDOW
    )
    xx, yy = xx + _NOISE, yy + _NOISE
    scale = (xx * yy - xy * xy).reciprocal_()
    u, v = (xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale
    return torch.cat([u, u[:, -1:]], dim=1), torch.cat([v, v[:, -1:]], dim=1)


def _gradients(pictures: Picture) -> tuple[Picture, Picture]:
    """Return how brightness grows to the right and down, per pixel."""
    padded = pad(pictures, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return right, down


def _without_camera(x: Picture, y: Picture, change: Picture) -> Picture:
    """Return the change of brightness that the camera's motion does not explain.

    That motion is the affine one that explains the change of most places: least squares over every
    second row and column, again with less weight for what it did not explain.
    """
    h, w = x.shape[-2:]
    rows = torch.linspace(-1, 1, h, device=x.device)[:, None].expand(h, w)
    columns = torch.linspace(-1, 1, w, device=x.device).expand(h, w)
    by = [part * place for part in (x, y) for place in (torch.ones_like(rows), columns, rows)]
    design = torch.stack([part[..., ::2, ::2] for part in by], dim=2).flatten(3)  # b t 6 places
    seen = -change[..., ::2, ::2].flatten(2)[:, :, None]  # b t 1 places
    ridge = 1e-6 * design.shape[-1] * torch.eye(6, device=x.device)
    weighted = design
    for turn in range(_TURNS):
        # unlike solve(), it does not wait for a GPU to say whether there is a solution: there is
        motion = torch.linalg.solve_ex(weighted @ design.mT + ridge, weighted @ seen.mT).result
        if turn == _TURNS - 1:
            break
        wrong = (seen - motion.mT @ design).square_()
        usual = wrong.mean(dim=-1, keepdim=True) / 2 + 4e-6
        weighted = design * (usual / (usual + wrong)).square_()
    return change + sum(part * motion[:, :, k, :, None] for k, part in enumerate(by))


def _smoothed(pictures: Float[Tensor, "*b h w"], sigma: float) -> Float[Tensor, "*b h w"]:
    """Return pictures after a Gaussian; what is beyond an edge is like the edge."""
    h, w = pictures.shape[-2:]
    across, down = (_gaussian(side, sigma).to(pictures.device) for side in (w, h))
    return down @ (pictures @ across.T)


def _gaussian(side: int, sigma: float) -> Float[Tensor, "{side} {side}"]:
    """Return the matrix that smooths a row of pixels."""
    reach = max(1, round(2.5 * sigma))
    offset = torch.arange(-reach, reach + 1)
    weight = torch.exp(-offset.square() / (2 * sigma**2))
    place = torch.arange(side)[:, None]
    source = (place + offset).clamp(0, side - 1)
    matrix = torch.zeros(side, side)
    return matrix.scatter_add_(1, source, (weight / weight.sum()).expand(side, -1))
