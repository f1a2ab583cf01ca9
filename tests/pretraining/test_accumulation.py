"""A batch in parts has the embeddings, gradients and negatives of the whole batch."""

import copy
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from slic.losses import InfoNCELoss, TemporalLoss, TripletLoss
from slic.pretraining.accumulation import EmbedInParts
from slic.pretraining.objective import Objective

LOSSES: dict[str, Any] = {"triplet": TripletLoss(), "info_nce": InfoNCELoss()}


def loss_of(model: nn.Module, clips: Tensor, kind: str) -> Tensor:
    """Return the training loss of 10 videos with 3 views each."""
    labels = (torch.arange(10) % 4)[:, None, None].expand(10, 2, 1)
    views = model(clips).view(10, 3, -1)
    return Objective(LOSSES[kind], TemporalLoss())(views, labels, Generator().manual_seed(1)).total


@pytest.mark.parametrize("kind", [*LOSSES])
def test_parts_give_the_gradients_of_the_whole_batch(kind: str) -> None:
    """The head has batch norm, as ours have; the backbone has none."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 4 * 4, 6), nn.ReLU())
    head = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5))
    whole, clips = nn.Sequential(backbone, head), torch.randn(30, 3, 2, 4, 4)
    parts = EmbedInParts(copy.deepcopy(backbone), copy.deepcopy(head), 4)
    one, other = loss_of(whole, clips, kind), loss_of(parts, clips, kind)
    torch.testing.assert_close(one, other, rtol=1e-6, atol=0)
    one.backward()  # type: ignore[no-untyped-call]
    other.backward()  # type: ignore[no-untyped-call]
    for ours, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)
    for statistic, wanted in zip(parts.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(statistic, wanted)


def test_a_batch_that_is_given_to_the_loss_in_parts_lacks_negatives() -> None:
    """So this is not the usual accumulation, which sums the losses of small batches."""
    z, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    loss = LOSSES["info_nce"]
    whole = loss(z, labels, Generator()).loss
    parts = [loss(z[rows], labels[rows], Generator()).loss for rows in ([0, 1], [2, 3])]
    assert not torch.isclose(whole, torch.stack(parts).mean())


def test_running_statistics_of_a_backbone_change_once_for_each_part() -> None:
    norm = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(24))
    other, clips = copy.deepcopy(norm), torch.randn(6, 3, 2, 2, 2)
    for part in clips.chunk(2):
        norm(part)
    EmbedInParts(other, nn.Identity(), 2)(clips).sum().backward()
    for ours, theirs in zip(other.buffers(), norm.buffers(), strict=True):
        assert torch.equal(ours, theirs)
