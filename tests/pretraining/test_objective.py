"""The training loss is the sum that the paper writes, and the spread tells a collapse."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import cosine_similarity, normalize

from slic.errors import TrainingError
from slic.losses import InfoNCELoss, TemporalLoss, TripletLoss
from slic.pretraining.objective import Objective


def of_pairs(labels: Tensor) -> Tensor:
    """Give anchor and positive of a sample the same label, of the only vector."""
    return labels.view(-1, 1, 1).expand(-1, 2, 1)


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("instance", [TripletLoss(), InfoNCELoss()])
def test_the_total_is_instance_and_weighted_temporal(
    weight: float, instance: TripletLoss | InfoNCELoss
) -> None:
    views, labels = torch.randn(6, 3, 5), torch.tensor([0, 0, 1, 1, 2, 2])
    terms = Objective(instance, TemporalLoss(weight=weight))(
        views, of_pairs(labels), Generator().manual_seed(1)
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
    terms = objective(torch.randn(4, 2, 5), of_pairs(torch.tensor([0, 0, 1, 1])), Generator())
    assert terms.temporal == 0


def test_spread_by_hand() -> None:
    objective = Objective(InfoNCELoss(), TemporalLoss(weight=0.0))
    alike = torch.ones(4, 2, 3) * torch.arange(1, 9).view(4, 2, 1)  # one direction
    labels = of_pairs(torch.arange(4))
    assert objective(alike, labels, Generator()).spread == pytest.approx(0, abs=1e-6)
    views = torch.randn(4, 2, 3)
    mean = normalize(views.flatten(0, 1), dim=1).mean(0)
    spread = objective(views, labels, Generator()).spread
    assert spread == pytest.approx(float(1 - mean @ mean), abs=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_each_vector_has_a_loss_with_its_own_labels(weight: float) -> None:
    views, labels = torch.randn(6, 3, 3 + 5), torch.randint(0, 3, (6, 2, 2))
    objective = Objective(TripletLoss(), TemporalLoss(weight=weight), lengths=(3, 5))
    terms = objective(views, labels, Generator().manual_seed(1))
    generator, apart = Generator().manual_seed(1), []
    for number, part in enumerate((slice(0, 3), slice(3, 8))):
        z, instance = views[:, :, part], TripletLoss()
        pairs = [z[i, view] for i in range(6) for view in (0, 1)]
        named = [labels[i, view, number] for i in range(6) for view in (0, 1)]
        loss = instance(torch.stack(pairs), torch.stack(named), generator).loss
        near, far = (1 - cosine_similarity(z[:, 0], z[:, view]) for view in (2, 1))
        apart.append(loss + weight * (near - far + 0.04).relu().mean())
    assert terms.total == pytest.approx(float(sum(apart) / 2))


def test_a_loss_that_returns_something_else_is_named() -> None:
    def plain(*_: object) -> Any:
        return torch.zeros(())

    objective = Objective(plain, TemporalLoss(weight=0.0))
    with pytest.raises(TrainingError, match=r"function returned Tensor\. .* slic\.losses"):
        objective(torch.randn(3, 2, 5), of_pairs(torch.tensor([0, 0, 1])), Generator())
