"""Appearance descriptor of a clip: colours and edges of its mean frame, without any weight.

The layout of brightness and of colour on a grid is that of the Color Layout Descriptor of MPEG-7
(Kasutani and Yamada, ICIP 2001), without its cosine transform. The edges are histograms of oriented
gradients on a grid (Dalal and Triggs, CVPR 2005).
"""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, pad

_SIZE: Final = 48  # pixels that the mean frame is reduced to; 96 found less, and 24 as well
_LUMA_CELLS: Final = 6  # rows and columns of the grid of brightness
_CELLS: Final = 4  # of the grids of colour and of edges
_ORIENTATIONS: Final = 8  # of edges, over half a turn
_LUMA_WEIGHT: Final = 0.5  # where things stand varies more within a kind of scene than the rest
_FLOOR: Final = 0.1  # length of a part below which it is mostly noise
_LUMA: Final = (0.299, 0.587, 0.114)  # of R, G, B: ITU-R BT.601

APPEARANCE_SIZE: Final = _LUMA_CELLS**2 + (2 + _ORIENTATIONS) * _CELLS**2
"""Length of an appearance descriptor."""


def appearance_descriptor(clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b d"]:
    """Return brightness, colours and edges of the mean frame of each clip.

    1. The frames are averaged, which removes noise and the order of the frames. The mean frame is
       reduced to 48x48 pixels, of which the square root is taken, so that dark regions count too.
    2. Brightness is averaged over 6x6 cells, and the mean is subtracted. Two colour differences,
       red minus green and blue minus both, are averaged over 4x4 cells.
    3. The gradients of brightness are collected by 8 orientations in 4x4 cells.
    4. Each of the three parts is scaled to about unit length; weak parts stay short.

    It is computed in float32, also under autocast.

    Args:
        clips: Clips in [-1, 1].

    Returns:
        Vectors of `APPEARANCE_SIZE` numbers: brightness, colours, edges.
    """
    frame = adaptive_avg_pool2d(clips.float().mean(dim=2), _SIZE)
    root = (0.5 * frame + 0.5).clamp(min=0).sqrt()
    red, green, blue = root.unbind(dim=1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    colours = torch.stack([red - green, blue - 0.5 * (red + green)], dim=1)
    brightness = adaptive_avg_pool2d(luma, _LUMA_CELLS).flatten(1)
    parts = (
        _LUMA_WEIGHT * _limited(brightness - brightness.mean(dim=1, keepdim=True)),
        _limited(adaptive_avg_pool2d(colours, _CELLS).flatten(1)),
        _limited(adaptive_avg_pool2d(_edges(luma), _CELLS).flatten(1)),
    )
    return torch.cat(parts, dim=1)


def _edges(luma: Float[Tensor, "b h w"]) -> Float[Tensor, "b o h w"]:
    """Return the strength of the gradient by orientation.

    A gradient of length g at an angle a from an orientation counts ``g cos(a)^4`` there.
    """
    padded = pad(luma[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    right = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    cubed = (right.square() + down.square()).clamp(min=1e-12).pow(1.5)
    angles = [math.pi * k / _ORIENTATIONS for k in range(_ORIENTATIONS)]
    along = [math.cos(a) * right + math.sin(a) * down for a in angles]
    return torch.stack([x.square().square() / cubed for x in along], dim=1)


def _limited(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """Scale vectors to a length below 1 that nears 1 where they are well above the floor."""
    length: Tensor = x.norm(dim=1, keepdim=True)
    return x / (length + _FLOOR)
