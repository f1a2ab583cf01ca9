"""Known motions of textured pictures are read back from the flow and from its image."""

import math
from dataclasses import replace
from itertools import pairwise, product

import cv2
import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.augmentation import AugmentationParameters, render_flow
from slic.clips.flow import (
    BOUND,
    FlowMethod,
    flow_image,
    flow_step,
    optical_flow,
    to_grey,
    without_camera,
)
from slic.errors import RecipeError


def moving(h: int, w: int, *, u: float, v: float, t: int = 4) -> UInt8[np.ndarray, "t h w 3"]:
    """Return a textured picture that moves by (u, v) pixels a frame."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.uniform(-1, 1, (2 * h, 2 * w, 3)), (0, 0), 1.5)
    ground = np.clip(127 + 100 * ground / ground.std() / 2, 0, 255)
    shift = [np.array([[1, 0, u * k - w / 2], [0, 1, v * k - h / 2]]) for k in range(t)]
    frames = [cv2.warpAffine(ground, m, (w, h), flags=cv2.INTER_CUBIC) for m in shift]
    return np.clip(np.rint(np.stack(frames)), 0, 255).astype(np.uint8)


def middle(flow: np.ndarray) -> np.ndarray:
    """Return the median of every channel and frame, away from the borders."""
    _, h, w, _ = flow.shape
    return np.asarray(np.median(flow[:, h // 4 : -h // 4, w // 4 : -w // 4], axis=(1, 2)))


@pytest.mark.parametrize("method", ["dis", "tv-l1"])
@pytest.mark.parametrize(("h", "w"), [(48, 64), (64, 85)])
@pytest.mark.parametrize(("u", "v"), [(2.0, 0.0), (-1.5, 1.0)])
def test_a_known_motion_is_read_back(
    method: FlowMethod, h: int, w: int, u: float, v: float
) -> None:
    flow = optical_flow(moving(h, w, u=u, v=v, t=3), method=method)
    assert_allclose(middle(flow), [[u, v]] * 3, atol=0.15)
    assert_array_equal(flow[-1], flow[-2])  # t - 1 steps, the last repeated


@pytest.mark.parametrize(("h", "w"), [(1, 1), (8, 8), (7, 40), (12, 12), (16, 20)])
def test_tiny_pictures_have_flow_too(h: int, w: int) -> None:
    frames = np.full((3, h, w, 3), 90, np.uint8)
    assert_array_equal(optical_flow(frames), np.zeros((3, h, w, 2), np.float32))


def test_a_single_frame_does_not_move() -> None:
    assert not optical_flow(moving(48, 64, u=0, v=0, t=1)).any()


def test_without_the_camera_only_what_moves_against_the_ground_is_left() -> None:
    frames = moving(64, 96, u=2, v=-1)
    walker = moving(32, 32, u=0, v=0, t=1)[0]
    for k, frame in enumerate(frames):
        frame[16:48, 20 + 5 * k : 52 + 5 * k] = 255 - walker
    flow = without_camera(optical_flow(frames))
    for k in range(3):
        assert_allclose(np.median(flow[k], axis=(0, 1)), [0, 0], atol=0.1)
        assert_allclose(
            np.median(flow[k, 24:40, 30 + 5 * k : 42 + 5 * k], axis=(0, 1)), [3, 1], atol=0.3
        )


@pytest.mark.parametrize("method", ["dis", "tv-l1"])
@pytest.mark.parametrize(("h", "w"), [(20, 24), (32, 43), (48, 64)])
def test_a_step_is_the_same_whatever_came_before(method: FlowMethod, h: int, w: int) -> None:
    grey = [to_grey(x) for x in (*moving(h, w, u=1, v=1), *moving(h, w, u=-3, v=0))]
    used = flow_step(method)
    for first, second in pairwise(grey):
        assert_array_equal(used(first, second), flow_step(method)(first, second))


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


def read_back(image: UInt8[np.ndarray, "t h w 3"]) -> tuple[float, float, float]:
    """Return u, v and length in picture heights, as the middle of the picture shows them."""
    u, v, length = np.median(middle(image), axis=0)
    return (u - 127.5) / 127.5 * BOUND, (v - 127.5) / 127.5 * BOUND, length / 255 * BOUND


WHOLE = AugmentationParameters(left=0, top=0, width=128, height=96)
LOOKS = {
    "whole": WHOLE,
    "crop": AugmentationParameters(left=30, top=10, width=64, height=64),
    "wide crop": AugmentationParameters(left=20, top=30, width=80, height=48),
    "tall crop": AugmentationParameters(left=40, top=8, width=48, height=80),
}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("name", LOOKS)
def test_vectors_follow_the_picture_through_crop_zoom_and_flip(name: str, flip: bool) -> None:
    look, size, (u, v) = replace(LOOKS[name], flip=flip), 64, (2.0, -1.5)
    flow = optical_flow(moving(96, 128, u=u, v=v))
    # The crop becomes the whole picture: one pixel is 1 / crop width of it, and 1 / crop height.
    u_share, v_share = (-u if flip else u) / look.width, v / look.height
    expected = (u_share, v_share, math.hypot(u_share, v_share))
    assert_allclose(read_back(render_flow(flow, look, size=size)), expected, atol=0.002)


@pytest.mark.parametrize("flip", [False, True])
def test_flow_of_a_rendered_clip_is_the_rendered_flow(flip: bool) -> None:
    """Rendering commutes with flow: crop and flip the frames first, and the same is seen."""
    look = AugmentationParameters(left=10, top=8, width=96, height=80, flip=flip)
    frames = moving(96, 128, u=1.5, v=2.0)
    crop = frames[:, 8:88, 10:106]
    seen = np.stack([cv2.resize(x[:, ::-1] if flip else x, (80, 80)) for x in crop])
    assert_allclose(
        read_back(flow_image(optical_flow(seen))),
        read_back(render_flow(optical_flow(frames), look, size=80)),
        atol=0.003,
    )


def test_a_flip_mirrors_where_the_motion_is() -> None:
    flow = np.zeros((1, 32, 32, 2), np.float32)
    flow[0, :, :8, 0] = 2.0  # moves to the right, at the left
    image = render_flow(
        flow, AugmentationParameters(left=0, top=0, width=32, height=32, flip=True), size=32
    )
    assert (image[0, :, 24:, 0] < 100).all()  # moves to the left, at the right
    assert (image[0, :, :24, 0] == 128).all()


def test_missing_contrib_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(RecipeError, match=r"opencv-contrib-python-headless.*'dis'"):
        optical_flow(np.zeros((2, 16, 16, 3), np.uint8), method="tv-l1")
