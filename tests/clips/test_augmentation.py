"""Every operation of a look is rendered a second time by slow loops over its plain definition."""

import colorsys
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float64, UInt8
from numpy.testing import assert_allclose, assert_array_equal

from slic.clips.augmentation import (
    Augmentation,
    AugmentationParameters,
    centre_crop,
    draw_parameters,
    render_rgb,
)
from slic.errors import RecipeError

SIZE = 24
WHOLE = AugmentationParameters(left=0, top=0, width=SIZE, height=SIZE)
Clip = UInt8[np.ndarray, "t h w 3"]
Floats = Float64[np.ndarray, "t h w 3"]


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


def plain_colour(frames: Clip, look: AugmentationParameters) -> Floats:
    """Apply the colour operations one after the other, in floating point."""
    x = frames.astype(np.float64) * look.brightness
    x = blend(x, np.broadcast_to(luma(x).mean(), x.shape), look.contrast)
    x = blend(x, luma(x), look.saturation)
    x = np.clip(np.broadcast_to(luma(x), x.shape) if look.grey else x, 0, 255)
    for rgb in x.reshape(-1, 3) if look.hue else ():  # a view, changed pixel by pixel
        hue, saturation, value = colorsys.rgb_to_hsv(*(rgb / 255))
        rgb[:] = np.multiply(colorsys.hsv_to_rgb((hue + look.hue) % 1.0, saturation, value), 255)
    return x


def plain_blur(frames: Floats, sigma: float) -> Floats:
    """Convolve each frame with a Gaussian cut at three sigma; borders are mirrored."""
    radius = math.ceil(3 * sigma)
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


def plain_crop(frames: Clip, look: AugmentationParameters, size: int) -> Floats:
    """Crop and enlarge by bilinear interpolation between pixel centres, then flip; by loops."""
    out = np.empty((len(frames), size, size, 3))
    for y in range(size):
        row = np.clip((y + 0.5) * look.height / size - 0.5, 0, look.height - 1)
        for x in range(size):
            column = np.clip((x + 0.5) * look.width / size - 0.5, 0, look.width - 1)
            y0, x0 = math.floor(row), math.floor(column)
            y1, x1 = min(y0 + 1, look.height - 1), min(x0 + 1, look.width - 1)
            dy, dx = row - y0, column - x0
            at = frames[:, look.top :, look.left :].astype(np.float64)
            above = (1 - dx) * at[:, y0, x0] + dx * at[:, y0, x1]
            below = (1 - dx) * at[:, y1, x0] + dx * at[:, y1, x1]
            out[:, y, size - 1 - x if look.flip else x] = (1 - dy) * above + dy * below
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
    look, frames = replace(WHOLE, **change), pictures()
    rendered = render_rgb(frames, look, size=SIZE)
    # OpenCV holds the matrix in steps of 1/1024
    assert_allclose(rendered, plain_colour(frames, look), atol=0.7)


@pytest.mark.parametrize("hue", [-0.5, -0.21, 0.05, 0.3, 0.5])
def test_hue_turns_the_colour_circle(hue: float) -> None:
    look, frames = replace(WHOLE, hue=hue), pictures()
    difference = np.abs(render_rgb(frames, look, size=SIZE) - plain_colour(frames, look))
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


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("left", "top", "width", "height"), [(3, 5, 17, 11), (0, 0, 20, 24), (19, 4, 1, 9)]
)
def test_crop_is_bilinear_between_pixel_centres(
    left: int, top: int, width: int, height: int, flip: bool
) -> None:
    look = AugmentationParameters(left=left, top=top, width=width, height=height, flip=flip)
    frames = pictures(2, 30, 40)
    rendered = render_rgb(frames, look, size=SIZE)
    assert_allclose(rendered, plain_crop(frames, look, SIZE), atol=1.01)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_crop_that_shrinks_averages_all_its_pixels(factor: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 90, 3), dtype=np.uint8)
    side = factor * SIZE
    look = AugmentationParameters(left=10, top=6, width=side, height=side, flip=True)
    crop = frames[:, 6 : 6 + side, 10 : 10 + side]
    blocks = crop.reshape(2, SIZE, factor, SIZE, factor, 3).mean((2, 4))[:, :, ::-1]
    assert_allclose(render_rgb(frames, look, size=SIZE), blocks, atol=0.51)


def test_all_operations_together_match_the_plain_definitions() -> None:
    look = AugmentationParameters(
        left=6, top=3, width=21, height=20, flip=True, brightness=1.1, contrast=0.8,
        saturation=1.2, hue=0.1, blur_sigma=1.2,
    )  # fmt: skip
    frames = pictures(2, 30, 40)
    cropped = np.rint(plain_crop(frames, look, SIZE)).astype(np.uint8)
    plain = plain_blur(plain_colour(cropped, look), look.blur_sigma)
    difference = np.abs(render_rgb(frames, look, size=SIZE) - plain)
    assert difference.max() <= 10
    assert difference.mean() <= 2


@pytest.mark.parametrize("seed", range(20))
def test_equal_frames_stay_equal_and_the_input_is_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.repeat(pictures(1, 48, 64, seed=seed), 4, axis=0)
    before = frames.copy()
    look = draw_parameters(Augmentation(blur=0.5, grey=0.5), width=64, height=48, rng=rng)
    rendered = render_rgb(frames, look, size=SIZE)
    assert all(np.array_equal(frame, rendered[0]) for frame in rendered)
    assert_array_equal(frames, before)
    assert_array_equal(rendered, render_rgb(frames, look, size=SIZE))


def test_evaluation_takes_the_middle_and_nothing_else() -> None:
    frames = pictures(2, 128, 171)
    rendered = render_rgb(frames, centre_crop(171, 128), size=128)
    assert_array_equal(rendered, frames[:, :, 21:149])
    assert centre_crop(100, 300) == AugmentationParameters(left=0, top=100, width=100, height=100)


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    seed=st.integers(0, 1000),
    area=st.sampled_from([(0.25, 1.0), (1.0, 1.0), (0.01, 0.02)]),
)
def test_crops_lie_inside_the_frame(
    width: int, height: int, seed: int, area: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    look = draw_parameters(Augmentation(area=area), width=width, height=height, rng=rng)
    assert 0 <= look.left <= width - look.width
    assert 0 <= look.top <= height - look.height
    assert min(look.width, look.height) >= 1


def test_draws_follow_the_augmentation() -> None:
    rng, augmentation = np.random.default_rng(0), Augmentation(jitter=(0.5, 0.4, 1.5, 0.2))
    looks = [draw_parameters(augmentation, width=171, height=128, rng=rng) for _ in range(4000)]
    area = np.array([look.width * look.height / (171 * 128) for look in looks])
    ratio = np.array([look.width / look.height for look in looks])
    assert 0.245 < area.min() < 0.3
    assert 0.9 < area.max() <= 1
    assert 0.73 < ratio.min() < 0.77
    assert 1.31 < ratio.max() < 1.36
    assert np.log(ratio).mean() > 0  # large tall crops do not fit into wide frames
    jittered = [look for look in looks if look.brightness != 1]
    shares = [
        sum(look.flip for look in looks),
        len(jittered),
        sum(look.grey for look in looks),
        sum(look.blur_sigma > 0 for look in looks),
    ]
    assert_allclose(np.array(shares) / len(looks), [0.5, 0.8, 0.2, 0.2], atol=0.03)
    for name, low, high in [
        ("brightness", 0.5, 1.5),
        ("contrast", 0.6, 1.4),
        ("saturation", 0.0, 2.5),
        ("hue", -0.2, 0.2),
    ]:
        values = np.array([getattr(look, name) for look in jittered])
        width = high - low
        assert low <= values.min() < low + 0.02 * width
        assert high - 0.02 * width < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.03 * width
    plain = [look for look in looks if look.brightness == 1]
    assert all((look.contrast, look.saturation, look.hue) == (1, 1, 0) for look in plain)


def test_looks_depend_on_the_generator_alone() -> None:
    first, second = (
        draw_parameters(Augmentation(), width=171, height=128, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", 1.5),
        ("grey", -0.1),
        ("area", (0.5, 0.2)),
        ("area", (0.5, 2.0)),
        ("ratio", (0.0, 1.0)),
        ("jitter", (0.5, 0.5, 0.5, 0.7)),
        ("jitter", (-0.5, 0.5, 0.5, 0.5)),
    ],
)
def test_an_impossible_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=name):
        Augmentation(**{name: value})


def test_a_look_for_larger_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="20x20"):
        render_rgb(pictures(1, 20, 20), WHOLE, size=SIZE)
