"""The training loss is the sum that the paper writes, and the spread tells a collapse."""

import pytest
import torch
from torch import Generator
from torch.nn.functional import normalize

from slic.losses import InfoNCELoss, TemporalLoss, TripletLoss
from slic.pretraining.objective import Objective


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("instance", [TripletLoss(), InfoNCELoss()])
def test_the_total_is_instance_and_weighted_temporal(
    weight: float, instance: TripletLoss | InfoNCELoss
) -> None:
    views, labels = torch.randn(6, 3, 5), torch.tensor([0, 0, 1, 1, 2, 2])
    terms = Objective(instance, TemporalLoss(weight=weight))(
        views, labels, Generator().manual_seed(1)
    )
    pairs = torch.cat([torch.stack([a, p]) for a, p, _ in views])  # a sample's views together
    expected = instance(pairs, labels.repeat_interleave(2), Generator().manual_seed(1))
    anchor, positive, second_view = views.unbind(1)
    temporal = TemporalLoss()(anchor, second_view=second_view, positive=positive)
    assert terms.instance == expected.loss
    assert terms.active == expected.active
    assert terms.temporal == (temporal if weight else 0)
    assert terms.total == pytest.approx(float(expected.loss + weight * temporal))


def test_without_a_second_view_there_is_no_temporal_term() -> None:
    objective = Objective(InfoNCELoss(), TemporalLoss(weight=0.0))
    terms = objective(torch.randn(4, 2, 5), torch.tensor([0, 0, 1, 1]), Generator())
    assert terms.temporal == 0


def test_spread_by_hand() -> None:
    objective = Objective(InfoNCELoss(), TemporalLoss(weight=0.0))
    alike = torch.ones(4, 2, 3) * torch.arange(1, 9).view(4, 2, 1)  # one direction
    assert objective(alike, torch.arange(4), Generator()).spread == pytest.approx(0, abs=1e-6)
    views = torch.randn(4, 2, 3)
    mean = normalize(views.flatten(0, 1), dim=1).mean(0)
    spread = objective(views, torch.arange(4), Generator()).spread
    assert spread == pytest.approx(float(1 - mean @ mean), abs=1e-6)
