"""One random look of a clip: drawn once, and the same for every frame of the clip.

`AugmentationParameters` holds every drawn value; rendering it has no randomness left. Operations
run in this order: crop, resize, flip; then brightness, contrast, saturation, grey, hue; then blur.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from slic.clips.flow import BOUND, Components, flow_image
from slic.errors import RecipeError

_LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as PIL and torchvision
_CROP_TRIALS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How looks are drawn; the defaults are the paper's.

    Attributes:
        area: Least and greatest area of the crop, as a share of the frame's.
        ratio: Least and greatest width / height of the crop, drawn log-uniformly.
        flip: Probability of a horizontal flip.
        jitter: Strengths x of brightness, contrast, saturation and hue. The first three give a
            factor in [max(0, 1 - x), 1 + x], hue a shift in [-x, x] of the colour circle.
        jitter_probability: Probability that the colours are jittered at all.
        grey: Probability of a grey clip.
        blur: Probability of a Gaussian blur.
        blur_sigma: Least and greatest standard deviation of the blur, in pixels of the clip.
    """

    area: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.5, 0.5, 0.5, 0.5)
    jitter_probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.2
    blur_sigma: tuple[float, float] = (0.1, 2.0)

    def __post_init__(self) -> None:
        for name in ("flip", "jitter_probability", "grey", "blur"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "in [0, 1]")
        for name in ("area", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            _require(0 < low <= high, name, (low, high), "two rising positive numbers")
        _require(self.area[1] <= 1, "area", self.area, "at most the whole frame, 1")
        _require(min(self.jitter) >= 0, "jitter", self.jitter, "not negative")
        _require(self.jitter[3] <= 0.5, "jitter", self.jitter, "at most 0.5 in hue, half a circle")


@dataclass(frozen=True, kw_only=True)
class AugmentationParameters:
    """Every drawn value of one clip's look.

    The crop (left, top, width, height) is in pixels of the frames it was drawn for. ``brightness``,
    ``contrast`` and ``saturation`` are factors, ``hue`` is in turns of the colour circle, and
    ``blur_sigma`` in pixels of the rendered clip, 0 for none.
    """

    left: int
    top: int
    width: int
    height: int
    flip: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    grey: bool = False
    blur_sigma: float = 0.0


def draw_parameters(
    augmentation: Augmentation, *, width: int, height: int, rng: np.random.Generator
) -> AugmentationParameters:
    """Draw one look for frames of ``width`` x ``height`` pixels."""
    left, top, crop_width, crop_height = _draw_crop(augmentation, width, height, rng)
    flip, jittered, grey, blurred = rng.random(4) < (
        augmentation.flip,
        augmentation.jitter_probability,
        augmentation.grey,
        augmentation.blur,
    )
    strength = np.array(augmentation.jitter) * jittered
    low = np.maximum(0.0, 1.0 - strength[:3])
    brightness, contrast, saturation = (float(x) for x in rng.uniform(low, 1.0 + strength[:3]))
    hue = float(rng.uniform(-1.0, 1.0) * strength[3])
    sigma = float(rng.uniform(*augmentation.blur_sigma))
    return AugmentationParameters(
        left=left,
        top=top,
        width=crop_width,
        height=crop_height,
        flip=bool(flip),
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        hue=hue,
        grey=bool(grey),
        blur_sigma=sigma if blurred else 0.0,
    )


def centre_crop(width: int, height: int) -> AugmentationParameters:
    """Return the look of evaluation: the largest square in the middle, and nothing else."""
    side = min(width, height)
    return AugmentationParameters(
        left=(width - side) // 2, top=(height - side) // 2, width=side, height=side
    )


def render_rgb(
    frames: UInt8[np.ndarray, "t h w 3"], look: AugmentationParameters, *, size: int
) -> UInt8[np.ndarray, "t {size} {size} 3"]:
    """Render a look as a square clip of ``size`` pixels.

    The result is rounded and cut to 0..255 after the crop, after the colour matrix (see
    `colour_matrix`), after hue and after the blur.
    """
    clip = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, target in zip(_crop(frames, look), clip, strict=True):
        _resize(frame, target, look)
    stacked = clip.reshape(-1, size, 3)  # one tall picture: colour takes one call for the clip
    _colour(stacked, look)
    if look.blur_sigma > 0:
        _blur(clip, look.blur_sigma)
    return clip


def render_flow(
    flow: Float32[np.ndarray, "t h w 2"],
    look: AugmentationParameters,
    *,
    size: int,
    bound: float = BOUND,
    components: Components = "all",
) -> UInt8[np.ndarray, "t {size} {size} 3"]:
    """Render the same look of a clip's flow, as `flow_image` draws it; colours and blur stay out.

    The vectors follow the picture: the zoom from the crop to ``size`` lengthens them, and a flip
    turns u round. ``bound`` is a share of the rendered picture's height.
    """
    clip = np.empty((len(flow), size, size, 2), np.float32)
    for frame, target in zip(_crop(flow, look), clip, strict=True):
        _resize(frame, target, look)
    zoom = np.diag([size / look.width, size / look.height]) @ np.diag([-1 if look.flip else 1, 1])
    stacked = clip.reshape(-1, size, 2)
    cv2.transform(stacked, zoom.astype(np.float32), dst=stacked)
    return flow_image(clip, bound=bound, components=components)


def around(
    frames: UInt8[np.ndarray, "t h w 3"], look: AugmentationParameters, *, margin: int
) -> tuple[UInt8[np.ndarray, "t _ _ 3"], AugmentationParameters]:
    """Return what a look sees of the frames and ``margin`` pixels around it, and the look of that.

    Rendering the look gives the same as before; whatever is computed first takes less time.
    """
    _, h, w, _ = frames.shape
    top, left = max(0, look.top - margin), max(0, look.left - margin)
    bottom = min(h, look.top + look.height + margin)
    right = min(w, look.left + look.width + margin)
    moved = replace(look, top=look.top - top, left=look.left - left)
    return frames[:, top:bottom, left:right], moved


def colour_matrix(
    look: AugmentationParameters, *, mean: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "3 4"]:
    """Return brightness, contrast, saturation and grey as one affine map of an RGB column.

    They are torchvision's ``ColorJitter`` in that order, with two differences: contrast pulls
    towards the mean grey of the clip, not of each frame, so that every frame is treated alike; and
    values are cut to 0..255 once, at the end.

    Args:
        look: The drawn factors.
        mean: Mean RGB of the clip, 0..255.
    """
    to_grey = np.tile(_LUMA, (3, 1))
    saturation = 0.0 if look.grey else look.saturation
    pull = (1 - look.contrast) * look.brightness * (_LUMA @ mean)
    linear = saturation * np.eye(3) + (1 - saturation) * to_grey
    return np.column_stack([look.contrast * look.brightness * linear, np.full(3, pull)])


def _colour(stacked: UInt8[np.ndarray, "h w 3"], look: AugmentationParameters) -> None:
    """Apply the colour operations in place."""
    if look.grey or (look.brightness, look.contrast, look.saturation) != (1.0, 1.0, 1.0):
        matrix = colour_matrix(look, mean=np.array(cv2.mean(stacked)[:3]))
        cv2.transform(stacked, matrix.astype(np.float32), dst=stacked)
    shift = round(look.hue * 256) % 256
    if shift and not look.grey:  # grey has no hue to turn
        hsv = cv2.cvtColor(stacked, cv2.COLOR_RGB2HSV_FULL)
        rows = hsv.reshape(len(hsv), -1)  # a whole row at a time, or numpy is slow
        rows += np.tile(np.array([shift, 0, 0], np.uint8), hsv.shape[1])  # wraps, as the circle
        cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL, dst=stacked)


def _blur(clip: UInt8[np.ndarray, "t h w 3"], sigma: float) -> None:
    """Blur every frame in place, in half the time that OpenCV's own Gaussian takes on bytes."""
    kernel = cv2.getGaussianKernel(2 * round(3 * sigma) + 1, sigma, cv2.CV_32F)
    for frame in clip:
        cv2.sepFilter2D(frame, -1, kernel, kernel, dst=frame, borderType=cv2.BORDER_REFLECT_101)


def _crop(clip: np.ndarray, look: AugmentationParameters) -> np.ndarray:
    _, h, w, _ = clip.shape
    if look.left + look.width > w or look.top + look.height > h:
        raise ValueError(f"{look} was drawn for larger frames than these of {w}x{h} pixels")
    return clip[:, look.top : look.top + look.height, look.left : look.left + look.width]


def _resize(frame: np.ndarray, target: np.ndarray, look: AugmentationParameters) -> None:
    """Scale a cropped frame into ``target``, mirrored where the look is."""
    size = len(target)
    # Bilinear reads every pixel down to half the size; averaging areas is slower, for the rest.
    shrinks = min(look.width, look.height) >= size and max(look.width, look.height) > 2 * size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cv2.resize(frame, (size, size), dst=target, interpolation=method)
    if look.flip:
        cv2.flip(target, 1, dst=target)


def _draw_crop(
    augmentation: Augmentation, width: int, height: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw left, top, width and height as torchvision's ``RandomResizedCrop`` does.

    A shape that does not fit is drawn again; after ten of those the largest centred crop with a
    lawful ratio is taken.
    """
    low, high = augmentation.ratio
    for _ in range(_CROP_TRIALS):
        area = width * height * rng.uniform(*augmentation.area)
        ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    w, h = min(width, round(height * high)), min(height, round(width / low))
    return (width - w) // 2, (height - h) // 2, w, h


def _require(lawful: bool, name: str, value: object, rule: str) -> None:
    if not lawful:
        raise RecipeError(f"augmentation: {name} is {value}; it must be {rule}.")
