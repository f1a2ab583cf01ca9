"""Passing many clips through a network in parts that fit into memory."""

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from slic.models.encoder import to_input

PIXELS_PER_PASS: Final = 40 * 16 * 128 * 128
"""Pixels of clips that pass at once without gradients: 40 clips of the paper.

Swin needs 0.6 GB for each of its clips of 32 x 224 x 224 pixels, so 40 of them would need 24 GB.
"""


def clips_per_pass(*, frames: int, size: int) -> int:
    """Return the number of clips of so many frames and pixels that pass at once, at least 1."""
    return max(1, PIXELS_PER_PASS // (frames * size**2))


def in_passes(
    network: Callable[[Float[Tensor, "p 3 t s s"]], Float[Tensor, "p d"]],
    clips: UInt8[Tensor, "b t s s 3"],
) -> Float[Tensor, "b d"]:
    """Return the output of a network for clips of any number, passed in parts.

    Args:
        network: An encoder, or another function of its input.
        clips: Pixels in 0..255, on the device of the network.
    """
    _, frames, size, _, _ = clips.shape
    count = clips_per_pass(frames=frames, size=size)
    parts = [network(to_input(part)) for part in torch.split(clips, count)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
