"""A batch in parts has the embeddings, gradients and negatives of the whole batch."""

import copy

import torch
from torch import nn

from slic.losses import InfoNCELoss
from slic.pretraining.accumulation import EmbedInParts


def test_parts_give_the_gradients_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 4 * 4, 6), nn.ReLU(), nn.Linear(6, 5))
    other, clips = copy.deepcopy(encoder), torch.randn(10, 3, 2, 4, 4)
    labels, loss = torch.arange(10) % 4, InfoNCELoss()
    loss(encoder(clips), labels, torch.Generator()).loss.backward()  # type: ignore[no-untyped-call]
    z = EmbedInParts(other, 3)(clips)
    loss(z, labels, torch.Generator()).loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(z, encoder(clips))
    for ours, theirs in zip(other.parameters(), encoder.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_running_statistics_change_once_for_each_part() -> None:
    norm = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(24))
    other, clips = copy.deepcopy(norm), torch.randn(6, 3, 2, 2, 2)
    for part in clips.chunk(2):
        norm(part)
    EmbedInParts(other, 2)(clips).sum().backward()
    for ours, theirs in zip(other.buffers(), norm.buffers(), strict=True):
        assert torch.equal(ours, theirs)
