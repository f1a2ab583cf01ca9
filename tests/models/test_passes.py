"""Outputs do not depend on how many clips pass at once."""

import pytest
import torch
from torch import Tensor

from slic.models import passes
from slic.models.encoder import to_input
from slic.models.passes import PIXELS_PER_PASS, clips_per_pass, in_passes


@pytest.mark.parametrize(("clips", "expected"), [(1, [1]), (3, [3]), (7, [3, 3, 1])])
def test_large_batches_pass_in_parts(
    clips: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "PIXELS_PER_PASS", 3 * 4 * 16**2 + 5)
    pixels = torch.randint(0, 256, (clips, 4, 16, 16, 3), dtype=torch.uint8)
    sizes: list[int] = []

    def network(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.mean(dim=(3, 4)).flatten(1)

    found = in_passes(network, pixels)
    assert sizes == expected
    torch.testing.assert_close(found, to_input(pixels).mean(dim=(3, 4)).flatten(1))


def test_a_pass_holds_as_many_pixels_whatever_the_clip() -> None:
    assert clips_per_pass(frames=16, size=128) == 40
    for frames, size in ((8, 64), (32, 224), (64, 256), (300, 512)):
        count = clips_per_pass(frames=frames, size=size)
        pixels = frames * size**2
        assert count == 1 or count * pixels <= PIXELS_PER_PASS
        assert (count + 1) * pixels > PIXELS_PER_PASS
