"""The appearance descriptor against plain numpy, and on clips whose appearance is known."""

import numpy as np
import torch
from torch import Tensor

from slic.models.backbones.appearance_descriptor import APPEARANCE_SIZE, appearance_descriptor


def limited(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / (np.linalg.norm(x) + 0.1))


def cell_means(image: np.ndarray, cells: int) -> np.ndarray:
    side = len(image) // cells
    return np.array(
        [
            [
                image[r * side : (r + 1) * side, c * side : (c + 1) * side].mean()
                for c in range(cells)
            ]
            for r in range(cells)
        ]
    ).ravel()


def slowly(clip: np.ndarray) -> np.ndarray:
    """Return the descriptor of one clip (3, t, 96, 96) in [-1, 1]."""
    frame = (clip.mean(axis=1) + 1) / 2
    red, green, blue = (np.sqrt(cell_means(channel, 48)).reshape(48, 48) for channel in frame)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    brightness = cell_means(luma, 6)
    colours = [cell_means(x, 4) for x in (red - green, blue - (red + green) / 2)]
    edges = np.zeros((8, 48, 48))
    for r in range(48):
        for c in range(48):
            right = luma[r, min(c + 1, 47)] - luma[r, max(c - 1, 0)]
            down = luma[min(r + 1, 47), c] - luma[max(r - 1, 0), c]
            angle = np.arctan2(down, right)
            for k in range(8):
                edges[k, r, c] = np.hypot(right, down) * np.cos(angle - np.pi * k / 8) ** 4
    return np.concatenate(
        [
            0.5 * limited(brightness - brightness.mean()),
            limited(np.concatenate(colours)),
            limited(np.concatenate([cell_means(x, 4) for x in edges])),
        ]
    )


def random_clips(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(count, 3, 6, 12, 12, generator=generator)
    return small.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4) * 2 - 1


def test_it_is_what_it_says_it_is() -> None:
    clips = random_clips()
    wanted = np.stack([slowly(clip.double().numpy()) for clip in clips])
    np.testing.assert_allclose(appearance_descriptor(clips).numpy(), wanted, atol=2e-5)


def test_the_order_of_frames_does_not_matter() -> None:
    clips = random_clips()
    forward, backward = appearance_descriptor(clips), appearance_descriptor(clips.flip(2))
    torch.testing.assert_close(backward, forward, atol=1e-5, rtol=0)


def test_clips_without_any_contrast_are_short_and_finite() -> None:
    black = appearance_descriptor(torch.full((1, 3, 4, 96, 96), -1.0))
    assert black.shape == (1, APPEARANCE_SIZE)
    assert not black.any()
    grey = appearance_descriptor(0.002 * random_clips())
    assert grey.norm() < 0.2 < appearance_descriptor(random_clips())[:1].norm()


def test_it_takes_clips_of_any_size() -> None:
    clips = random_clips()
    large = clips.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    torch.testing.assert_close(appearance_descriptor(large), appearance_descriptor(clips))
    assert appearance_descriptor(torch.rand(1, 3, 4, 33, 70)).isfinite().all()
