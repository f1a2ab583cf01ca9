"""Crops against plain slicing, pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slic.evaluation.ten_crop import five_corners, frame_size, ten_crops


@given(st.integers(4, 9), st.integers(0, 5), st.integers(0, 5))
def test_ten_crops_are_plain_slices_and_their_mirrors(size: int, more: int, wider: int) -> None:
    height, width = size + more, size + wider
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, height, width, 3), dtype=np.uint8)
    crops = ten_crops(torch.from_numpy(clips), size=size).numpy()
    assert crops.shape == (2, 10, 3, size, size, 3)
    for b in range(2):
        slices = [
            clips[b, :, :size, :size],
            clips[b, :, :size, width - size :],
            clips[b, :, height - size :, :size],
            clips[b, :, height - size :, width - size :],
            clips[b, :, more // 2 : more // 2 + size, wider // 2 : wider // 2 + size],
        ]
        for place, expected in enumerate(slices):
            assert np.array_equal(crops[b, place], expected)
            assert np.array_equal(crops[b, 5 + place], expected[:, :, ::-1])


def test_frames_leave_a_border_of_a_seventh_and_keep_the_shape_of_training() -> None:
    assert frame_size(224) == (341, 256)
    assert frame_size(128) == (195, 146)
    corners = five_corners(width=195, height=146, size=128)
    assert corners == [(0, 0), (67, 0), (0, 18), (67, 18), (33, 9)]


def test_a_crop_larger_than_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 9 pixels in frames of 8x9"):
        five_corners(width=8, height=9, size=9)
