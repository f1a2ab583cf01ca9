"""Distances of a batch, and losses that autocast does not change."""

import torch

from slic.losses import TemporalLoss
from slic.losses.base import cosine_distances
from slic.losses.info_nce import multi_positive_info_nce


def test_distances_by_hand() -> None:
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    expected = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    torch.testing.assert_close(cosine_distances(z), expected)


def test_autocast_changes_no_loss() -> None:
    z, other = torch.randn(16, 32), torch.randn(16, 32)
    label = torch.arange(16) % 4
    temporal = TemporalLoss(margin=0.04)

    def losses() -> tuple[float, ...]:
        return (
            cosine_distances(z).sum().item(),
            multi_positive_info_nce(z, label, temperature=0.1).loss.item(),
            temporal(z, second_view=other, positive=z).item(),
        )

    in_float32 = losses()
    with torch.autocast("cpu", torch.bfloat16):
        assert losses() == in_float32
        half = z.bfloat16()
        assert multi_positive_info_nce(half, label, temperature=0.1).loss.dtype == torch.float32
        assert TemporalLoss(margin=0.0)(half, second_view=half, positive=half) == 0.0
