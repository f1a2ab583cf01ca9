"""Optical flow against plain numpy, and on things whose motion is known."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from torch import Tensor

from slic.models.backbones.lucas_kanade import clip_flow

MovingPatch = Callable[..., Tensor]


def slow_flow(pictures: np.ndarray) -> np.ndarray:
    """Return (t // 2, h // 2, w // 2, 2): the definition in plain numpy, place by place."""
    roots = np.sqrt(np.maximum(pictures, 0))
    pictures = np.array([gaussian_filter(p, 0.65, mode="nearest", radius=2) for p in roots])
    h, w = pictures.shape[1:]
    flow = np.zeros((len(pictures) // 2, h // 2, w // 2, 2))
    for t in range(len(flow)):
        first, second = pictures[2 * t], pictures[2 * t + 1]
        middle, change = np.pad((first + second) / 2, 1, mode="edge"), second - first
        x = (middle[1:-1, 2:] - middle[1:-1, :-2]) / 2
        y = (middle[2:, 1:-1] - middle[:-2, 1:-1]) / 2
        rows, columns = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
        one = np.ones_like(x)
        design = np.stack([d * place for d in (x, y) for place in (one, columns, rows)], axis=-1)
        some = design[2::4, 2::4].reshape(-1, 6)
        wanted, weight = -change[2::4, 2::4].ravel(), np.ones(len(some))
        for _ in range(3):
            system = some.T @ (some * weight[:, None]) + 1e-6 * len(some) * np.eye(6)
            motion = np.linalg.solve(system, some.T @ (wanted * weight))
            wrong = (wanted - some @ motion) ** 2
            usual = wrong.mean() / 2 + 4e-6
            weight = (usual / (usual + wrong)) ** 2
        change = change + design @ motion
        smooth = [
            gaussian_filter(p, 1.2, mode="nearest", radius=3)
            for p in (x * x, y * y, x * y, x * change, y * change)
        ]
        for i in range(h // 2):
            for j in range(w // 2):
                square = np.s_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                xx, yy, xy, xt, yt = (s[square].mean() for s in smooth)
                tensor = np.array([[xx + 1e-4, xy], [xy, yy + 1e-4]])
                flow[t, i, j] = np.linalg.solve(tensor, [-xt, -yt])
    return flow


@pytest.mark.parametrize(("frames", "side"), [(4, 48), (3, 47)])  # what has no pair is left out
def test_the_flow_is_that_of_plain_numpy(moving_patch: MovingPatch, frames: int, side: int) -> None:
    clip = moving_patch((0.7, -0.4), camera=(0.3, 0.2))[:, :, :frames, :side, :side]
    u, v = clip_flow(clip)
    slow = slow_flow((clip[0, 0].double().numpy() + 1) / 2)
    np.testing.assert_allclose(u[0], slow[..., 0], atol=2e-3)
    np.testing.assert_allclose(v[0], slow[..., 1], atol=2e-3)


@pytest.mark.parametrize("camera", [(0.0, 0.0), (0.5, -0.3)])
@pytest.mark.parametrize("step", [(0.8, 0.0), (0.0, -0.8), (-0.5, 0.5)])
def test_what_moves_is_seen_against_what_the_camera_moves(
    moving_patch: MovingPatch, step: tuple[float, float], camera: tuple[float, float]
) -> None:
    u, v = clip_flow(moving_patch(step, camera))
    middle, around = np.s_[:, :, 10:14, 10:14], np.s_[:, :, :4, :]
    for flow, truth in ((u, step[0]), (v, step[1])):
        # one scale: what is fast is underestimated
        assert flow[middle].median().item() == pytest.approx(truth, abs=0.3)
        assert flow[around].abs().mean().item() < 0.06


def test_what_moves_in_the_dark_is_seen_too(moving_patch: MovingPatch) -> None:
    clip = moving_patch((0.6, 0.3))
    dark = clip * 0.1 - 0.9  # a tenth of the brightness
    (u, v), (dark_u, dark_v) = clip_flow(clip), clip_flow(dark)
    middle = np.s_[:, :, 10:14, 10:14]
    for seen, whole in ((dark_u, u), (dark_v, v)):
        assert seen[middle].mean().item() == pytest.approx(whole[middle].mean().item(), rel=0.35)
