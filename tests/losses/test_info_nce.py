"""InfoNCE with several positives, against plain loops over its definition."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from slic.errors import RecipeError
from slic.losses import InfoNCELoss
from slic.losses.info_nce import multi_positive_info_nce


def slow_info_nce(z: Tensor, label: Tensor, temperature: float) -> tuple[float, int]:
    unit, everyone, terms = z / z.norm(dim=1, keepdim=True), range(len(z)), []
    for i in everyone:
        positives = [j for j in everyone if j != i and label[j] == label[i]]
        weight = {j: float((unit[i] @ unit[j] / temperature).exp()) for j in everyone if j != i}
        if positives:
            logs = [np.log(weight[p] / sum(weight.values())) for p in positives]
            terms.append(-sum(logs) / len(positives))
    return (sum(terms) / len(terms) if terms else 0.0), len(z) - len(terms)


@pytest.mark.parametrize("seed", range(5))
def test_info_nce_matches_the_definition(seed: int) -> None:
    generator = Generator().manual_seed(seed)
    z = torch.randn(20, 5, generator=generator)
    label = torch.randint(0, 9, (20,), generator=generator)
    loss, left_out = multi_positive_info_nce(z, label, temperature=0.3)
    slow_loss, slow_left_out = slow_info_nce(z, label, 0.3)
    assert loss.item() == pytest.approx(slow_loss, rel=1e-5)
    assert left_out.item() == slow_left_out


@pytest.mark.parametrize("n", [1, 3])
def test_info_nce_without_any_positive_is_zero_and_still_runs_backward(n: int) -> None:
    z = torch.randn(n, 4, requires_grad=True)
    loss, left_out = multi_positive_info_nce(z, torch.arange(n), temperature=0.1)
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == 0.0
    assert left_out.item() == n
    assert not gradient.any()


def test_gradients_are_right() -> None:
    z = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])
    assert torch.autograd.gradcheck(
        lambda z: multi_positive_info_nce(z, label, temperature=0.5).loss, z
    )


def test_the_loss_as_a_part_tells_how_many_entries_counted() -> None:
    z, label = torch.randn(5, 4), torch.tensor([0, 0, 1, 1, 2])
    term = InfoNCELoss(temperature=0.2)(z, label, Generator())
    assert term.loss == multi_positive_info_nce(z, label, temperature=0.2).loss
    assert term.active.item() == pytest.approx(0.8)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(RecipeError, match="temperature is 0"):
        InfoNCELoss(temperature=0.0)
