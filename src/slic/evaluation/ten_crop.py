"""Ten looks at one clip: the four corners and the centre, each also mirrored.

The crops are squares of the clip's size, cut from frames a little larger: a crop is 7/8 of a
frame's height, as 224 of 256 pixels in the usual ten-crop test (and in CoCLR's, Han et al., NeurIPS
2020).
"""

import torch
from jaxtyping import UInt8
from torch import Tensor

CROPS = 10


def frame_size(size: int) -> tuple[int, int]:
    """Return (width, height) of the frames to cut crops of ``size`` from; 4:3, as in training."""
    height = round(size * 8 / 7)
    return round(height * 4 / 3), height


def five_corners(*, width: int, height: int, size: int) -> list[tuple[int, int]]:
    """Return (left, top) of each crop: the four corners in reading order, then the centre."""
    right, bottom = width - size, height - size
    if min(right, bottom) < 0:
        raise ValueError(f"a crop of {size} pixels in frames of {width}x{height}")
    return [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]


def ten_crops(clips: UInt8[Tensor, "b t h w 3"], *, size: int) -> UInt8[Tensor, "b 10 t s s 3"]:
    """Return the five crops of every clip, then the same five mirrored."""
    height, width = clips.shape[2:4]
    crops = [
        clips[:, :, top : top + size, left : left + size]
        for left, top in five_corners(width=width, height=height, size=size)
    ]
    return torch.stack([*crops, *(crop.flip(3) for crop in crops)], dim=1)
