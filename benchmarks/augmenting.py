"""Augmentation: clips a CPU-second, against PIL frame by frame, torchvision and kornia.

All render the same drawn looks of the same clips (16 frames of 171 x 128, as training reads them):
crop, resize to 128 x 128, flip, brightness, contrast, saturation, hue, grey, blur. torchvision and
kornia are called function by function, so that drawing costs them nothing; kornia works on floats.
They take turns; one thread; medians of 5. Run ``python benchmarks/augmenting.py``.
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
    render_rgb,
)
from targets import Target

RUNS = 5
LIKENESS = 3.0  # mean difference of grey levels up to which two renderings are the same look
Clip = UInt8[np.ndarray, "t h w 3"]
Render = Callable[[Clip, AugmentationParameters], np.ndarray]


def ours(clip: Clip, look: AugmentationParameters) -> np.ndarray:
    return render_rgb(clip, look, size=SIZE)


def pil(clip: Clip, look: AugmentationParameters) -> np.ndarray:
    return np.stack([np.asarray(render_pil(Image.fromarray(frame), look)) for frame in clip])


def torchvision() -> Render:
    """Return a renderer with the functions behind ``torchvision.transforms.v2``."""
    try:
        from torchvision.transforms.v2 import functional as F
    except RuntimeError:  # a build for CUDA beside a torch without it misses two operators
        torch.library.define("torchvision::nms", "(Tensor a, Tensor b, float c) -> Tensor")
        torch.library.define("torchvision::qnms", "(Tensor a, Tensor b, float c) -> Tensor")
        from torchvision.transforms.v2 import functional as F

    def render(clip: Clip, look: AugmentationParameters) -> np.ndarray:
        x = torch.from_numpy(clip).permute(0, 3, 1, 2)
        box = (look.top, look.left, look.height, look.width)
        x = F.resized_crop(x, *box, size=[SIZE, SIZE], antialias=False)
        x = F.horizontal_flip(x) if look.flip else x
        if look.brightness != 1.0:
            x = F.adjust_brightness(x, look.brightness)
            x = F.adjust_contrast(x, look.contrast)
            x = F.adjust_saturation(x, look.saturation)
        x = F.rgb_to_grayscale(x, num_output_channels=3) if look.grey else x
        x = F.adjust_hue(x, look.hue) if look.hue and not look.grey else x
        x = F.gaussian_blur(x, *kernel(look)) if look.blur_sigma else x
        return np.asarray(x.permute(0, 2, 3, 1).numpy())

    return render


def kornia() -> Render:
    """Return a renderer with kornia's functions; it takes and gives floats."""
    from kornia.color import rgb_to_grayscale
    from kornia.enhance import (
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_hue,
        adjust_saturation_with_gray_subtraction,
    )
    from kornia.filters import gaussian_blur2d
    from kornia.geometry.transform import hflip, resize

    def render(clip: Clip, look: AugmentationParameters) -> np.ndarray:
        cropped = clip[:, look.top : look.top + look.height, look.left : look.left + look.width]
        x = torch.from_numpy(cropped).permute(0, 3, 1, 2).float() / 255
        x = resize(x, (SIZE, SIZE), interpolation="bilinear", align_corners=False)
        x = hflip(x) if look.flip else x
        if look.brightness != 1.0:
            x = adjust_brightness_accumulative(x, look.brightness)
            x = adjust_contrast_with_mean_subtraction(x, look.contrast)
            x = adjust_saturation_with_gray_subtraction(x, look.saturation)
        x = rgb_to_grayscale(x).expand(-1, 3, -1, -1) if look.grey else x
        x = adjust_hue(x, 2 * math.pi * look.hue) if look.hue and not look.grey else x
        size, sigma = kernel(look)
        x = gaussian_blur2d(x, (size, size), (sigma, sigma)) if look.blur_sigma else x
        return np.asarray(x.permute(0, 2, 3, 1).numpy())

    return render


def kernel(look: AugmentationParameters) -> tuple[int, float]:
    """Return the length of a blur's kernel, the same for all, and its standard deviation."""
    return 2 * round(3 * look.blur_sigma) + 1, look.blur_sigma


PEERS: dict[str, Callable[[], Render]] = {
    "PIL, frame by frame": lambda: pil,
    "torchvision v2": torchvision,
    "kornia": kornia,
}


def measure(
    renders: dict[str, Render], clips: list[Clip], looks: list[AugmentationParameters]
) -> dict[str, float]:
    """Return the median clips a CPU-second of each; the first turn warms up."""
    rates: dict[str, list[float]] = {name: [] for name in renders}
    for _ in range(RUNS + 1):
        for name, render in renders.items():
            start = time.process_time()
            for clip, look in zip(clips, looks, strict=True):
                render(clip, look)
            rates[name].append(len(clips) / (time.process_time() - start))
    return {name: statistics.median(rate[1:]) for name, rate in rates.items()}


def unlikeness(render: Render, clips: list[Clip], looks: list[AugmentationParameters]) -> float:
    """Return by how many grey levels a rendering differs from ours in the median clip."""
    differences = []
    for clip, look in zip(clips, looks, strict=True):
        theirs = render(clip, look)
        levels = theirs if theirs.dtype == np.uint8 else theirs * 255
        differences.append(np.abs(levels.astype(np.float32) - ours(clip, look)).mean())
    return float(np.median(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--targets", type=Path, metavar="FILE")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    film = [cv2.resize(x, RESIZED) for x in moving_picture(np.random.default_rng(0), RAW)]
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(film) - FRAMES, options.clips)
    clips = [np.stack(film[place : place + FRAMES]) for place in places]
    width, height = RESIZED
    looks = [draw_parameters(Augmentation(), width=width, height=height, rng=rng) for _ in clips]
    peers, missing = targets.importable(PEERS)
    rate = measure({"slic": ours, **peers}, clips, looks)
    rows = [targets.not_run(f"augmentation, {name}", why) for name, why in missing.items()]
    print(f"clips of {FRAMES}x{SIZE}x{SIZE} a CPU-second; difference from ours in grey levels")
    print(f"  {'slic':22}{rate['slic']:8.1f}")
    for name, render in peers.items():
        away = unlikeness(render, clips, looks)
        print(f"  {name:22}{rate[name]:8.1f}   {away:.1f}")
        assert away < LIKENESS, f"{name} renders other looks: {away:.1f} grey levels away"
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
