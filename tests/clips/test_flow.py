"""Known motions of textured images are read back from the flow and from its drawing."""

import math
from collections.abc import Callable
from itertools import pairwise, product

import cv2
import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.flow import (
    FlowMethod,
    FlowOptions,
    flow_image,
    make_flow_step,
    optical_flow,
    subtract_camera_motion,
    to_grey,
)
from slic.errors import RecipeError

MovingTexture = Callable[..., UInt8[np.ndarray, "t h w 3"]]


def medians(flow: np.ndarray) -> np.ndarray:
    """Return the median of every channel and frame, away from the borders."""
    _, h, w, _ = flow.shape
    return np.asarray(np.median(flow[:, h // 4 : -h // 4, w // 4 : -w // 4], axis=(1, 2)))


@pytest.mark.parametrize("method", ["dis", "tv-l1"])
@pytest.mark.parametrize(("h", "w", "u", "v"), [(48, 64, 2.0, 0.0), (64, 85, -1.5, 1.0)])
def test_a_known_motion_is_read_back(
    method: FlowMethod, h: int, w: int, u: float, v: float, moving_texture: MovingTexture
) -> None:
    flow = optical_flow(moving_texture(h, w, u=u, v=v, t=3), method=method)
    assert_allclose(medians(flow), [[u, v]] * 3, atol=0.15)
    assert_array_equal(flow[-1], flow[-2])  # t - 1 steps, the last repeated


@pytest.mark.parametrize(("h", "w"), [(1, 1), (8, 8), (7, 40), (12, 12), (16, 20)])
def test_tiny_pictures_have_flow_too(h: int, w: int) -> None:
    frames = np.full((3, h, w, 3), 90, np.uint8)
    assert_array_equal(optical_flow(frames), np.zeros((3, h, w, 2), np.float32))


def test_a_single_frame_does_not_move(moving_texture: MovingTexture) -> None:
    assert not optical_flow(moving_texture(48, 64, u=0, v=0, t=1)).any()


def test_without_camera_motion_only_motion_against_the_ground_is_left(
    moving_texture: MovingTexture,
) -> None:
    frames = moving_texture(64, 96, u=2, v=-1)
    walker = moving_texture(32, 32, u=0, v=0, t=1)[0]
    for k, frame in enumerate(frames):
        frame[16:48, 20 + 5 * k : 52 + 5 * k] = 255 - walker
    flow = subtract_camera_motion(optical_flow(frames))
    for k in range(3):
        assert_allclose(np.median(flow[k], axis=(0, 1)), [0, 0], atol=0.1)
        assert_allclose(
            np.median(flow[k, 24:40, 30 + 5 * k : 42 + 5 * k], axis=(0, 1)), [3, 1], atol=0.3
        )


@pytest.mark.parametrize("method", ["dis", "tv-l1"])
@pytest.mark.parametrize(("h", "w"), [(32, 43), (48, 64)])
def test_a_step_is_the_same_whatever_came_before(
    method: FlowMethod, h: int, w: int, moving_texture: MovingTexture
) -> None:
    one, other = moving_texture(h, w, u=1, v=1), moving_texture(h, w, u=-3, v=0)
    grey = [to_grey(frame) for frame in (*one, *other)]
    used = make_flow_step(method)
    for first, second in pairwise(grey):
        assert_array_equal(used(first, second), make_flow_step(method)(first, second))


def plain_flow_image(
    flow: Float32[np.ndarray, "t h w 2"], bound: float
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return the definition of `flow_image`, pixel by pixel."""
    t, h, w, _ = flow.shape
    image = np.empty((t, h, w, 3), np.uint8)
    for i, y, x in product(range(t), range(h), range(w)):
        u, v = (float(c) / (bound * h) for c in flow[i, y, x])
        image[i, y, x, :2] = [round(127.5 + 127.5 * min(1.0, max(-1.0, c))) for c in (u, v)]
        image[i, y, x, 2] = round(255 * min(1.0, math.hypot(u, v)))
    return image


def test_flow_image_is_its_definition_up_to_rounding() -> None:
    rng = np.random.default_rng(0)
    flow = rng.normal(0, 1.5, (2, 20, 30, 2)).astype(np.float32)
    image = flow_image(flow, bound=0.1)
    difference = image.astype(int) - plain_flow_image(flow, 0.1)
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.001
    assert image.min() == 0
    assert image.max() == 255


def test_flow_image_by_hand() -> None:
    flow = np.zeros((1, 10, 4, 2), np.float32)
    flow[0, 0, :, 0] = [0.5, -0.5, 1.0, -9.0]  # a tenth of the height is 1 pixel
    image = flow_image(flow, bound=0.1)
    assert image[0, 0].tolist() == [[191, 128, 128], [64, 128, 128], [255, 128, 255], [0, 128, 255]]
    assert image[0, 5, 0].tolist() == [128, 128, 0]


def test_missing_contrib_modules_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(RecipeError, match=r"opencv-contrib-python-headless.*'dis'"):
        optical_flow(np.zeros((2, 16, 16, 3), np.uint8), method="tv-l1")


def test_a_bound_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"bound is 0\.0, but it must be above 0"):
        FlowOptions(bound=0.0)
