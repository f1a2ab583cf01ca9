"""Activations that are computed again give the gradients of those that are kept."""

import copy

import torch
from torch import nn

from slic.models.recompute import recompute


def test_gradients_statistics_and_random_numbers_are_those_of_one_pass() -> None:
    plain = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    again = copy.deepcopy(plain)
    x = torch.randn(8, 4)
    torch.manual_seed(0)
    plain(x).square().sum().backward()
    torch.manual_seed(0)
    recompute(again, x).square().sum().backward()
    for ours, theirs in zip(again.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)  # type: ignore[arg-type]
    assert all(map(torch.equal, again.buffers(), plain.buffers()))
    assert again[1].track_running_stats
