"""Clips in which a patch moves over a texture."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor

SIDE, FRAMES = 48, 4


def clouds(seed: int, *, side: int = SIDE, fineness: float = 2.0) -> np.ndarray:
    """Return a smooth grey texture in 0..1."""
    noise = np.random.default_rng(seed).standard_normal((side, side))
    smooth = gaussian_filter(noise, fineness, mode="wrap")
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def as_clip(pictures: np.ndarray) -> Tensor:
    """Return grey pictures (t, h, w) in 0..1 as one clip in -1..1."""
    clip = torch.from_numpy(np.asarray(pictures, np.float32)) * 2 - 1
    return clip.expand(3, *clip.shape)[None]


def patch_that_moves(step: tuple[float, float], camera: tuple[float, float] = (0, 0)) -> Tensor:
    """Return a clip in which the middle moves by (right, down) a frame, and all by the camera's."""
    ground, thing = clouds(0, side=2 * SIDE), clouds(1, side=2 * SIDE)
    rows, columns = np.mgrid[: 2 * SIDE, : 2 * SIDE] - SIDE
    inside = (np.hypot(rows, columns) < 12).astype(float)
    pictures = []
    for t in range(FRAMES):
        moved = [shift(x, (t * step[1], t * step[0]), order=3) for x in (thing, inside)]
        picture = moved[0] * moved[1] + ground * (1 - moved[1])
        panned = shift(picture, (t * camera[1], t * camera[0]), order=3, mode="wrap")
        pictures.append(panned[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2])
    return as_clip(np.array(pictures))


@pytest.fixture(scope="session")
def moving_patch() -> Callable[..., Tensor]:
    """Return :func:`patch_that_moves`."""
    return patch_that_moves
