"""Lucas-Kanade optical flow on the frames of a clip, relative to the camera."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

FLOW_GRID_ROWS: Final = 96
"""Frames are reduced to about this many rows. Motion of up to about two rows a frame is found."""
_PRE_SMOOTHING: Final = 0.65  # sigma of the Gaussian applied to the frames, in grid pixels
_WINDOW: Final = 1.2  # sigma of the Gaussian window of the least squares
_NOISE: Final = 1e-4  # squared gradient below which a place has no texture to follow
_CAMERA_ITERATIONS: Final = 3  # of the reweighted least squares for the camera motion
_CAMERA_SUBSAMPLING: Final = 4  # rows and columns between the places used for the camera motion

FrameBatch = Float[Tensor, "b t h w"]


def clip_flow(
    clips: Float[Tensor, "b 3 t h w"],
) -> tuple[Float[Tensor, "b t2 h2 w2"], Float[Tensor, "b t2 h2 w2"]]:
    """Return the horizontal and the vertical optical flow of clips, relative to the camera.

    Lucas and Kanade (IJCAI 1981): the flow at a place is the least-squares solution, within a
    window, of the brightness constancy constraint. The square root of brightness is used, so that
    motion in dark regions counts too. The motion of the camera is estimated first and removed.

    Args:
        clips: Clips in [-1, 1].

    Returns:
        Flow to the right and flow downwards: from frame 0 to 1, from 2 to 3, and so on. The unit is
        a pixel of the reduced frames, which have about ``FLOW_GRID_ROWS`` rows. Flow is given at
        every second row and column of them.
    """
    grey = _small_grey(clips, max(1, round(clips.shape[-2] / FLOW_GRID_ROWS)))
    grey = smooth(grey, _PRE_SMOOTHING)
    first, second = grey[:, :-1:2], grey[:, 1::2]
    x, y = _gradients((first + second) / 2)
    change = _without_camera(x, y, second - first)
    xx, yy, xy, xt, yt = smooth(
        torch.stack([x * x, y * y, x * y, x * change, y * change]), _WINDOW, halved=True
    )
    xx, yy = xx + _NOISE, yy + _NOISE
    scale = (xx * yy - xy * xy).reciprocal_()
    return (xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale


def _small_grey(clips: Float[Tensor, "b 3 t h w"], shrink: int) -> Float[Tensor, "b t h2 w2"]:
    """Return the square roots of grey values in [0, 1], averaged over squares of pixels."""
    square = torch.full((shrink, shrink), 1 / (2 * shrink**2), device=clips.device)
    kernel = torch.stack([square * luma for luma in (0.299, 0.587, 0.114)])[None]
    frames = clips.float().transpose(1, 2).flatten(0, 1)
    grey: Tensor = conv2d(frames, kernel, stride=shrink)
    return (grey + 0.5).clamp_(min=0).sqrt_().view(-1, clips.shape[2], *grey.shape[2:])


def _gradients(frames: FrameBatch) -> tuple[FrameBatch, FrameBatch]:
    """Return the central differences of brightness to the right and downwards."""
    padded = pad(frames, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return right, down


def _without_camera(x: FrameBatch, y: FrameBatch, change: FrameBatch) -> FrameBatch:
    """Return the change of brightness that the motion of the camera does not explain.

    The camera motion is affine. It is estimated by iteratively reweighted least squares over a
    subset of the places; places that it does not explain lose weight.
    """
    h, w = x.shape[-2:]
    rows = torch.linspace(-1, 1, h, device=x.device)[:, None].expand(h, w)
    columns = torch.linspace(-1, 1, w, device=x.device).expand(h, w)
    places = (torch.ones_like(rows), columns, rows)
    some = (..., *(slice(_CAMERA_SUBSAMPLING // 2, None, _CAMERA_SUBSAMPLING),) * 2)
    design = torch.stack([part[some] * place[some] for part in (x, y) for place in places], dim=2)
    design = design.flatten(3)  # b t 6 places
    target = -change[some].flatten(2)[:, :, None]  # b t 1 places
    ridge = 1e-6 * design.shape[-1] * torch.eye(6, device=x.device)
    weighted = design
    for iteration in range(_CAMERA_ITERATIONS):
        # solve() would wait for a GPU to report singular matrices; the ridge term rules them out
        motion = torch.linalg.solve_ex(weighted @ design.mT + ridge, weighted @ target.mT).result
        if iteration == _CAMERA_ITERATIONS - 1:
            break
        residual = (target - motion.mT @ design).square_()
        typical = residual.mean(dim=-1, keepdim=True) / 2 + 4e-6
        weighted = design * (typical / (typical + residual)).square_()
    u, v = motion[..., None].unflatten(2, (2, 3)).unbind(2)  # b t 3 1 1
    for gradient, velocity in ((x, u), (y, v)):
        for k, place in enumerate(places):
            change = change + gradient * place * velocity[:, :, k]
    return change


def smooth(
    frames: Float[Tensor, "*b h w"], sigma: float, *, halved: bool = False
) -> Float[Tensor, "*b h2 w2"]:
    """Return frames smoothed with a Gaussian; edges are replicated.

    Args:
        frames: Frames of one size.
        sigma: Standard deviation, in pixels.
        halved: Also average squares of 2x2 pixels; an odd last row or column is dropped.
    """
    h, w = frames.shape[-2:]
    across, down = (_gaussian(side, sigma, frames.device) for side in (w, h))
    if halved:
        across, down = ((m[:-1:2] + m[1::2]) / 2 for m in (across, down))
    return down @ (frames @ across.T)


def _gaussian(side: int, sigma: float, device: torch.device) -> Float[Tensor, "{side} {side}"]:
    """Return the matrix that smooths a row of ``side`` pixels."""
    reach = max(1, round(2.5 * sigma))
    offset = torch.arange(-reach, reach + 1, device=device)
    weight = torch.exp(-offset.square() / (2 * sigma**2))
    place = torch.arange(side, device=device)[:, None]
    source = (place + offset).clamp(0, side - 1)
    matrix = torch.zeros(side, side, device=device)
    return matrix.scatter_add_(1, source, (weight / weight.sum()).expand(side, -1))
