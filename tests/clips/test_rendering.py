"""Every operation is rendered a second time, by slow loops over its definition."""

import colorsys
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from jaxtyping import Float64, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.augmentation import (
    Augmentation,
    AugmentationParameters,
    centre_crop,
    draw_parameters,
)
from slic.clips.flow import DEFAULT_FLOW_BOUND, flow_image, optical_flow
from slic.clips.rendering import crop_with_margin, render_flow, render_rgb

SIZE = 24
WHOLE = AugmentationParameters(left=0, top=0, width=SIZE, height=SIZE)
Clip = UInt8[np.ndarray, "t h w 3"]
Floats = Float64[np.ndarray, "t h w 3"]
MovingTexture = Callable[..., Clip]


def pictures(t: int = 2, h: int = SIZE, w: int = SIZE, *, seed: int = 0) -> Clip:
    """Return smooth, colourful frames over the whole range of values."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    wave, phase = rng.uniform(0.05, 0.25, (t, 2, 3)), rng.uniform(0, 6, (t, 3))
    angle = (
        x[None, ..., None] * wave[:, None, None, 0] + y[None, ..., None] * wave[:, None, None, 1]
    )
    levels = 127.5 + 127.5 * np.sin(angle + phase[:, None, None])
    return np.asarray(np.rint(levels), np.uint8)


def luma(rgb: Floats) -> Float64[np.ndarray, "t h w 1"]:
    return np.asarray(0.299 * rgb[..., :1] + 0.587 * rgb[..., 1:2] + 0.114 * rgb[..., 2:])


def blend(one: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    """Return what PIL's ImageEnhance and torchvision call a blend, without the cut to 0..255."""
    return factor * one + (1 - factor) * other


def plain_colour(frames: Clip, parameters: AugmentationParameters) -> Floats:
    """Apply the colour operations one after the other, in floating point."""
    x = frames.astype(np.float64) * parameters.brightness
    x = blend(x, np.broadcast_to(luma(x).mean(), x.shape), parameters.contrast)
    x = blend(x, luma(x), parameters.saturation)
    x = np.clip(np.broadcast_to(luma(x), x.shape) if parameters.grey else x, 0, 255)
    for rgb in x.reshape(-1, 3) if parameters.hue else ():  # a view, changed pixel by pixel
        hue, saturation, value = colorsys.rgb_to_hsv(*(rgb / 255))
        turned = (hue + parameters.hue) % 1.0
        rgb[:] = np.multiply(colorsys.hsv_to_rgb(turned, saturation, value), 255)
    return x


def plain_blur(frames: Floats, sigma: float, side: int | None = None) -> Floats:
    """Convolve each frame with a Gaussian cut at three sigma; borders are mirrored."""
    radius = math.ceil(3 * sigma) if side is None else side // 2
    offsets = range(-radius, radius + 1)
    weights = np.array([math.exp(-(d**2) / (2 * sigma**2)) for d in offsets])
    weights /= weights.sum()
    for axis in (1, 2):
        n = frames.shape[axis]
        mirrored = np.pad(np.arange(n), radius, mode="reflect")
        frames = sum(
            w * np.take(frames, mirrored[k : k + n], axis=axis) for k, w in enumerate(weights)
        )
    return frames


def plain_crop(frames: Clip, parameters: AugmentationParameters, size: int) -> Floats:
    """Crop and enlarge by bilinear interpolation between pixel centres, then flip; by loops."""
    out = np.empty((len(frames), size, size, 3))
    for y in range(size):
        row = np.clip((y + 0.5) * parameters.height / size - 0.5, 0, parameters.height - 1)
        for x in range(size):
            column = np.clip((x + 0.5) * parameters.width / size - 0.5, 0, parameters.width - 1)
            y0, x0 = math.floor(row), math.floor(column)
            y1, x1 = min(y0 + 1, parameters.height - 1), min(x0 + 1, parameters.width - 1)
            dy, dx = row - y0, column - x0
            at = frames[:, parameters.top :, parameters.left :].astype(np.float64)
            above = (1 - dx) * at[:, y0, x0] + dx * at[:, y0, x1]
            below = (1 - dx) * at[:, y1, x0] + dx * at[:, y1, x1]
            out[:, y, size - 1 - x if parameters.flip else x] = (1 - dy) * above + dy * below
    return out


@pytest.mark.parametrize(
    "change",
    [
        {"brightness": 0.5},
        {"brightness": 1.5},
        {"contrast": 0.5},
        {"contrast": 1.5},
        {"saturation": 0.0},
        {"saturation": 1.5},
        {"grey": True},
        {"brightness": 1.3, "contrast": 0.6, "saturation": 1.4},
        {"brightness": 0.8, "contrast": 1.2, "saturation": 0.7, "grey": True, "hue": 0.3},
    ],
)
def test_colour_matrix_matches_the_operations_one_by_one(change: dict[str, Any]) -> None:
    parameters, frames = replace(WHOLE, **change), pictures()
    rendered = render_rgb(frames, parameters, size=SIZE)
    # OpenCV holds the matrix in steps of 1/1024
    assert_allclose(rendered, plain_colour(frames, parameters), atol=0.7)


@pytest.mark.parametrize("hue", [-0.5, -0.21, 0.05, 0.3, 0.5])
def test_hue_turns_the_colour_circle(hue: float) -> None:
    parameters, frames = replace(WHOLE, hue=hue), pictures()
    rendered = render_rgb(frames, parameters, size=SIZE)
    difference = np.abs(rendered - plain_colour(frames, parameters))
    # Hue is held in 256 steps on the way, as in PIL; one of them is six levels of one channel.
    assert difference.max() <= 10
    assert difference.mean() <= 2


def test_red_becomes_green_and_blue_by_hand() -> None:
    red = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 200
    third, back = (render_rgb(red, replace(WHOLE, hue=h), size=SIZE) for h in (1 / 3, -1 / 3))
    assert_allclose(third[0, 0, 0], [0, 200, 0], atol=6)
    assert_allclose(back[0, 0, 0], [0, 0, 200], atol=6)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.0])
def test_blur_is_a_gaussian(sigma: float) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    rendered = render_rgb(frames, replace(WHOLE, blur_sigma=sigma), size=SIZE)
    assert_allclose(rendered, plain_blur(frames.astype(np.float64), sigma), atol=1.6)


@pytest.mark.parametrize("side", [3, 15, 21])
def test_the_kernel_of_the_blur_is_cut_where_the_setting_says(side: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    rendered = render_rgb(frames, replace(WHOLE, blur_sigma=2.0, blur_kernel=side), size=SIZE)
    assert_allclose(rendered, plain_blur(frames.astype(np.float64), 2.0, side), atol=1.6)
    authors = np.stack([cv2.GaussianBlur(frame, (side, side), 2) for frame in frames])
    assert np.abs(rendered.astype(int) - authors).max() <= 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("left", "top", "width", "height"), [(3, 5, 17, 11), (0, 0, 20, 24), (19, 4, 1, 9)]
)
def test_crop_is_bilinear_between_pixel_centres(
    left: int, top: int, width: int, height: int, flip: bool
) -> None:
    parameters = AugmentationParameters(left=left, top=top, width=width, height=height, flip=flip)
    frames = pictures(2, 30, 40)
    rendered = render_rgb(frames, parameters, size=SIZE)
    assert_allclose(rendered, plain_crop(frames, parameters, SIZE), atol=1.01)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_crop_that_shrinks_averages_all_its_pixels(factor: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 90, 3), dtype=np.uint8)
    side = factor * SIZE
    parameters = AugmentationParameters(left=10, top=6, width=side, height=side, flip=True)
    crop = frames[:, 6 : 6 + side, 10 : 10 + side]
    blocks = crop.reshape(2, SIZE, factor, SIZE, factor, 3).mean((2, 4))[:, :, ::-1]
    assert_allclose(render_rgb(frames, parameters, size=SIZE), blocks, atol=0.51)


def test_all_operations_together_match_the_plain_definitions() -> None:
    parameters = AugmentationParameters(
        left=6, top=3, width=21, height=20, flip=True, brightness=1.1, contrast=0.8,
        saturation=1.2, hue=0.1, blur_sigma=1.2,
    )  # fmt: skip
    frames = pictures(2, 30, 40)
    cropped = np.rint(plain_crop(frames, parameters, SIZE)).astype(np.uint8)
    plain = plain_blur(plain_colour(cropped, parameters), parameters.blur_sigma)
    difference = np.abs(render_rgb(frames, parameters, size=SIZE) - plain)
    assert difference.max() <= 10
    assert difference.mean() <= 2


@pytest.mark.parametrize("seed", range(6))
def test_equal_frames_stay_equal_and_the_input_is_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.repeat(pictures(1, 48, 64, seed=seed), 4, axis=0)
    before = frames.copy()
    parameters = draw_parameters(Augmentation(blur=0.5, grey=0.5), width=64, height=48, rng=rng)
    rendered = render_rgb(frames, parameters, size=SIZE)
    assert all(np.array_equal(frame, rendered[0]) for frame in rendered)
    assert_array_equal(frames, before)
    assert_array_equal(rendered, render_rgb(frames, parameters, size=SIZE))


def test_the_centre_crop_is_the_middle_and_nothing_else() -> None:
    frames = pictures(2, 128, 171)
    rendered = render_rgb(frames, centre_crop(171, 128), size=128)
    assert_array_equal(rendered, frames[:, :, 21:149])
    assert centre_crop(100, 300) == AugmentationParameters(left=0, top=100, width=100, height=100)


def test_parameters_for_larger_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="20x20"):
        render_rgb(pictures(1, 20, 20), WHOLE, size=SIZE)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (12, 9), (23, 15)])
def test_cutting_off_what_is_far_from_the_crop_changes_nothing(left: int, top: int) -> None:
    parameters = AugmentationParameters(left=left, top=top, width=17, height=15, flip=True)
    frames = pictures(2, 30, 40)
    near, moved = crop_with_margin(frames, parameters, margin=5)
    assert near.shape[1:3] == (
        min(30, top + 20) - max(0, top - 5),
        min(40, left + 22) - max(0, left - 5),
    )
    assert_array_equal(
        render_rgb(near, moved, size=SIZE), render_rgb(frames, parameters, size=SIZE)
    )


def medians(image: np.ndarray) -> np.ndarray:
    """Return the median of every channel and frame, away from the borders."""
    _, h, w, _ = image.shape
    return np.asarray(np.median(image[:, h // 4 : -h // 4, w // 4 : -w // 4], axis=(1, 2)))


def read_back(image: UInt8[np.ndarray, "t h w 3"]) -> tuple[float, float, float]:
    """Return u, v and length in picture heights, as the middle of the picture shows them."""
    u, v, length = np.median(medians(image), axis=0)
    shares = ((u - 127.5) / 127.5, (v - 127.5) / 127.5, length / 255)
    u, v, length = (DEFAULT_FLOW_BOUND * share for share in shares)
    return u, v, length


CROPS = {
    "whole": AugmentationParameters(left=0, top=0, width=128, height=96),
    "crop": AugmentationParameters(left=30, top=10, width=64, height=64),
    "wide crop": AugmentationParameters(left=20, top=30, width=80, height=48),
    "tall crop": AugmentationParameters(left=40, top=8, width=48, height=80),
}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("name", CROPS)
def test_vectors_follow_the_picture_through_crop_zoom_and_flip(
    name: str, flip: bool, moving_texture: MovingTexture
) -> None:
    parameters, size, (u, v) = replace(CROPS[name], flip=flip), 64, (2.0, -1.5)
    flow = optical_flow(moving_texture(96, 128, u=u, v=v))
    # The crop becomes the whole picture: one pixel is 1 / crop width of it, and 1 / crop height.
    u_share, v_share = (-u if flip else u) / parameters.width, v / parameters.height
    expected = (u_share, v_share, math.hypot(u_share, v_share))
    assert_allclose(read_back(render_flow(flow, parameters, size=size)), expected, atol=0.002)


@pytest.mark.parametrize("flip", [False, True])
def test_flow_of_a_rendered_clip_is_the_rendered_flow(
    flip: bool, moving_texture: MovingTexture
) -> None:
    """Rendering commutes with flow: crop and flip the frames first, and the same is seen."""
    parameters = AugmentationParameters(left=10, top=8, width=96, height=80, flip=flip)
    frames = moving_texture(96, 128, u=1.5, v=2.0)
    crop = frames[:, 8:88, 10:106]
    seen = np.stack([cv2.resize(x[:, ::-1] if flip else x, (80, 80)) for x in crop])
    assert_allclose(
        read_back(flow_image(optical_flow(seen))),
        read_back(render_flow(optical_flow(frames), parameters, size=80)),
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
