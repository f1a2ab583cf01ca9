"""Random augmentation of a clip: its settings, and the parameters drawn for one view.

The parameters are drawn once per view and hold for all of its frames: other parameters per frame
would add motion of their own. :mod:`slic.clips.rendering` applies them, without any randomness.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from slic.arguments import require

CropSource = Literal["resized", "native"]

_MAX_CROP_TRIALS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Distribution of the augmentation parameters. The defaults are those of the paper.

    Args:
        crop_from: ``"native"`` crops frames at the size of the video, as the authors do.
            ``"resized"`` crops frames that were resized first, see `slic.clips.frame_size`.
        area: Smallest and largest area of the crop, as a share of the frame's area.
        ratio: Smallest and largest width / height of the crop, drawn log-uniformly.
        flip: Probability of a horizontal flip.
        jitter: Strengths x of brightness, contrast, saturation and hue. The first three give a
            factor in [max(0, 1 - x), 1 + x]. Hue gives a rotation in [-x, x] of the full circle,
            with x at most 0.5.
        jitter_probability: Probability of colour jitter.
        grey: Probability of a conversion to grey.
        blur: Probability of a Gaussian blur.
        blur_sigma: Smallest and largest standard deviation of the blur, in pixels of the view.
        blur_kernel: Side of the blur's kernel, in pixels of the view, odd. None takes three
            standard deviations to each side.

    Raises:
        RecipeError: A value is outside its range.

    Example:
        >>> parameters = draw_parameters(Augmentation(flip=0.0), width=171, height=128, rng=rng)
        >>> view = render_rgb(frames, parameters, size=128)
    """

    crop_from: CropSource = "resized"
    area: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.5, 0.5, 0.5, 0.5)
    jitter_probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.2
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: int | None = None

    def __post_init__(self) -> None:
        for name in ("flip", "jitter_probability", "grey", "blur"):
            self._require(0 <= getattr(self, name) <= 1, name, "in [0, 1]")
        for name in ("area", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            self._require(0 < low <= high < math.inf, name, "two ascending positive numbers")
        self._require(self.area[1] <= 1, "area", "at most 1, the whole frame")
        self._require(all(0 <= x < math.inf for x in self.jitter), "jitter", "at least 0")
        self._require(self.jitter[3] <= 0.5, "jitter", "at most 0.5 for hue, half a circle")
        kernel = self.blur_kernel
        self._require(kernel is None or (kernel > 0 and kernel % 2 == 1), "blur_kernel", "odd")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        require(holds, name, getattr(self, name), rule)


@dataclass(frozen=True, kw_only=True)
class AugmentationParameters:
    """The parameters drawn for one view of a clip.

    Args:
        left: Left edge of the crop, in pixels of the frames.
        top: Top edge of the crop.
        width: Width of the crop.
        height: Height of the crop.
        flip: Whether the view is flipped horizontally.
        brightness: Factor.
        contrast: Factor.
        saturation: Factor.
        hue: Rotation of the hue, in turns of the colour circle.
        grey: Whether the view is grey.
        blur_sigma: Standard deviation of the blur, in pixels of the view; 0 for none.
        blur_kernel: Side of its kernel, see :class:`Augmentation`.
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
    blur_kernel: int | None = None

    def for_frames(
        self, size: tuple[int, int], *, drawn_for: tuple[int, int]
    ) -> "AugmentationParameters":
        """Return the parameters that crop the same part of frames of another size.

        The edges of the crop are rounded to whole pixels.

        Args:
            size: (width, height) of these frames.
            drawn_for: (width, height) of the frames that the parameters were drawn for.
        """
        left, width = _rescale(self.left, self.width, size[0], drawn_for[0])
        top, height = _rescale(self.top, self.height, size[1], drawn_for[1])
        return replace(self, left=left, top=top, width=width, height=height)


def draw_parameters(
    augmentation: Augmentation, *, width: int, height: int, rng: np.random.Generator
) -> AugmentationParameters:
    """Draw the augmentation parameters of one view.

    The number of draws from ``rng`` depends only on how many crops were rejected.

    Args:
        augmentation: The distribution.
        width: Width of the frames, in pixels.
        height: Height of the frames, in pixels.
        rng: Source of the draws.
    """
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
        blur_kernel=augmentation.blur_kernel if blurred else None,
    )


def centre_crop(width: int, height: int, *, side: int | None = None) -> AugmentationParameters:
    """Return the parameters used for evaluation: a centred square, nothing else.

    Args:
        width: Width of the frames, in pixels.
        height: Height of the frames, in pixels.
        side: Side of the square, in pixels of the frames; None takes the largest one.
    """
    side = side or min(width, height)
    return AugmentationParameters(
        left=(width - side) // 2, top=(height - side) // 2, width=side, height=side
    )


def _draw_crop(
    augmentation: Augmentation, width: int, height: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw left, top, width and height of a crop, like torchvision's ``RandomResizedCrop``.

    A crop that does not fit is drawn again. After ten failures, the largest centred crop with an
    allowed ratio is used.
    """
    low, high = augmentation.ratio
    for _ in range(_MAX_CROP_TRIALS):
        area = width * height * rng.uniform(*augmentation.area)
        ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    w, h = min(width, round(height * high)), min(height, round(width / low))
    return (width - w) // 2, (height - h) // 2, w, h


def _rescale(start: int, length: int, size: int, drawn_for: int) -> tuple[int, int]:
    """Return start and length of a crop along one axis of frames of another size; at least 1."""
    first, end = (round(edge * size / drawn_for) for edge in (start, start + length))
    if first == end:  # less than a pixel: the pixel that holds its start
        return start * size // drawn_for, 1
    return first, end - first
