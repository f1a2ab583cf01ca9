"""Augmentation: clips per CPU-second, against PIL, torchvision and kornia.

All render the same parameters of the same clips (16 frames of 171 x 128, as training reads them):
crop, resize to 128 x 128, flip, brightness, contrast, saturation, hue, grey, blur. PIL works frame
by frame. torchvision and kornia are called function by function, without drawing parameters. kornia
works on floats. They take turns on one thread; medians of 5.
Run ``python benchmarks/augmenting.py``.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

import targets
from films import RAW, RESIZED, moving_picture
from loading import FRAMES, SIZE, render_pil
from slic.clips.augmentation import (
    Augmentation,
    AugmentationParameters,
    draw_parameters,
)
from slic.clips.rendering import render_rgb
from targets import Target

RUNS = 5
MAX_DIFFERENCE = 3.0  # grey levels, mean, between two renderings of the same parameters
Clip = UInt8[np.ndarray, "t h w 3"]
Render = Callable[[Clip, AugmentationParameters], np.ndarray]


def ours(clip: Clip, parameters: AugmentationParameters) -> np.ndarray:
    return render_rgb(clip, parameters, size=SIZE)


def pil(clip: Clip, parameters: AugmentationParameters) -> np.ndarray:
    return np.stack([np.asarray(render_pil(Image.fromarray(frame), parameters)) for frame in clip])


def torchvision() -> Render:
    """Return a renderer with the functions behind ``torchvision.transforms.v2``."""
    try:
        from torchvision.transforms.v2 import functional as F
    except RuntimeError:  # a CUDA build beside a CPU build of torch lacks two operators
        torch.library.define("torchvision::nms", "(Tensor a, Tensor b, float c) -> Tensor")
        torch.library.define("torchvision::qnms", "(Tensor a, Tensor b, float c) -> Tensor")
        from torchvision.transforms.v2 import functional as F

    def render(clip: Clip, parameters: AugmentationParameters) -> np.ndarray:
        x = torch.from_numpy(clip).permute(0, 3, 1, 2)
        box = (parameters.top, parameters.left, parameters.height, parameters.width)
        x = F.resized_crop(x, *box, size=[SIZE, SIZE], antialias=False)
        x = F.horizontal_flip(x) if parameters.flip else x
        if parameters.brightness != 1.0:
            x = F.adjust_brightness(x, parameters.brightness)
            x = F.adjust_contrast(x, parameters.contrast)
            x = F.adjust_saturation(x, parameters.saturation)
        x = F.rgb_to_grayscale(x, num_output_channels=3) if parameters.grey else x
        x = F.adjust_hue(x, parameters.hue) if parameters.hue and not parameters.grey else x
        x = F.gaussian_blur(x, *kernel(parameters)) if parameters.blur_sigma else x
        return np.asarray(x.permute(0, 2, 3, 1).numpy())

    return render


def kornia() -> Render:
    """Return a renderer with kornia's functions, which take and return floats."""
    from kornia.color import rgb_to_grayscale
    from kornia.enhance import (
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_hue,
        adjust_saturation_with_gray_subtraction,
    )
    from kornia.filters import gaussian_blur2d
    from kornia.geometry.transform import hflip, resize

    def render(clip: Clip, parameters: AugmentationParameters) -> np.ndarray:
        cropped = clip[
            :,
            parameters.top : parameters.top + parameters.height,
            parameters.left : parameters.left + parameters.width,
        ]
        x = torch.from_numpy(cropped).permute(0, 3, 1, 2).float() / 255
        x = resize(x, (SIZE, SIZE), interpolation="bilinear", align_corners=False)
        x = hflip(x) if parameters.flip else x
        if parameters.brightness != 1.0:
            x = adjust_brightness_accumulative(x, parameters.brightness)
            x = adjust_contrast_with_mean_subtraction(x, parameters.contrast)
            x = adjust_saturation_with_gray_subtraction(x, parameters.saturation)
        x = rgb_to_grayscale(x).expand(-1, 3, -1, -1) if parameters.grey else x
        x = (
            adjust_hue(x, 2 * math.pi * parameters.hue)
            if parameters.hue and not parameters.grey
            else x
        )
        size, sigma = kernel(parameters)
        x = gaussian_blur2d(x, (size, size), (sigma, sigma)) if parameters.blur_sigma else x
        return np.asarray(x.permute(0, 2, 3, 1).numpy())

    return render


def kernel(parameters: AugmentationParameters) -> tuple[int, float]:
    """Return the kernel length of the blur, equal for all peers, and its standard deviation."""
    return 2 * round(3 * parameters.blur_sigma) + 1, parameters.blur_sigma


PEERS: dict[str, Callable[[], Render]] = {
    "PIL, frame by frame": lambda: pil,
    "torchvision v2": torchvision,
    "kornia": kornia,
}


def measure(
    renders: dict[str, Render], clips: list[Clip], views: list[AugmentationParameters]
) -> dict[str, float]:
    """Return the median clips per CPU-second of each. The first turn is a warm-up."""
    rates: dict[str, list[float]] = {name: [] for name in renders}
    for _ in range(RUNS + 1):
        for name, render in renders.items():
            start = time.process_time()
            for clip, parameters in zip(clips, views, strict=True):
                render(clip, parameters)
            rates[name].append(len(clips) / (time.process_time() - start))
    return {name: statistics.median(rate[1:]) for name, rate in rates.items()}


def difference(render: Render, clips: list[Clip], views: list[AugmentationParameters]) -> float:
    """Return the mean difference from our rendering in grey levels, median over clips."""
    differences = []
    for clip, parameters in zip(clips, views, strict=True):
        theirs = render(clip, parameters)
        levels = theirs if theirs.dtype == np.uint8 else theirs * 255
        differences.append(np.abs(levels.astype(np.float32) - ours(clip, parameters)).mean())
    return float(np.median(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    film = [cv2.resize(x, RESIZED) for x in moving_picture(np.random.default_rng(0), RAW)]
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(film) - FRAMES, options.clips)
    clips = [np.stack(film[place : place + FRAMES]) for place in places]
    width, height = RESIZED
    views = [draw_parameters(Augmentation(), width=width, height=height, rng=rng) for _ in clips]
    peers, missing = targets.importable(PEERS)
    rate = measure({"slic": ours, **peers}, clips, views)
    rows = [targets.not_run(f"augmentation, {name}", why) for name, why in missing.items()]
    print(f"clips of {FRAMES}x{SIZE}x{SIZE} per CPU-second; difference from ours in grey levels")
    print(f"  {'slic':22}{rate['slic']:8.1f}")
    for name, render in peers.items():
        away = difference(render, clips, views)
        print(f"  {name:22}{rate[name]:8.1f}   {away:.1f}")
        assert away < MAX_DIFFERENCE, f"{name} differs by {away:.1f} grey levels"
        rows.append(
            Target(
                name=f"augmentation against {name}",
                ours=f"{rate['slic']:.0f} clips/CPU-s",
                peer=f"{rate[name]:.0f}",
                value=rate["slic"] / rate[name],
                bound=1.0,
                at_least=True,
            )
        )
    targets.append(rows, options.targets)


if __name__ == "__main__":
    main()
