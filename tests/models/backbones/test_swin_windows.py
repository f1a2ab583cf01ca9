"""Biases of attention against the offsets of tokens, in windows of every size."""

from typing import Any

import pytest
import torch

from slic.models.backbones.base import ClipSpec
from slic.models.backbones.torchvision import TorchvisionBackbone

swin_transformer = pytest.importorskip("torchvision.models.video.swin_transformer")


def test_swin_takes_the_biases_of_the_offsets_in_a_smaller_window() -> None:
    backbone = TorchvisionBackbone(ClipSpec(frames=4, size=32), model="swin3d_t")
    attention: Any = backbone.net.get_submodule("features.0.0.attn")
    table = attention.relative_position_bias_table.detach().view(15, 13, 13, -1)
    window = (2, 3, 2)
    places = [(t, h, w) for t in range(2) for h in range(3) for w in range(2)]
    bias = attention.get_relative_position_bias(window)
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            offset = [a - b + full - 1 for a, b, full in zip(first, second, (8, 7, 7), strict=True)]
            assert torch.equal(bias[0, :, i, j], table[*offset])
    theirs = swin_transformer.ShiftedWindowAttention3d.get_relative_position_bias
    for full_frame in ((8, 7, 7), (3, 7, 7)):
        ours = attention.get_relative_position_bias(full_frame)
        assert torch.equal(ours, theirs(attention, list(full_frame)))
    assert not torch.equal(bias, theirs(attention, list(window)))  # the reason for our own
