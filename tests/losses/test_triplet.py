"""Mined triplets and their loss, against plain loops and the numbers of the authors' code."""

from itertools import combinations, permutations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from slic.errors import RecipeError
from slic.losses import TripletLoss
from slic.losses.base import cosine_distances
from slic.losses.triplet import (
    NegativeRule,
    Triplets,
    list_position_fallback,
    mine_triplets,
    triplet_loss,
)

MARGIN = 0.2


def allowed_negatives(d: Tensor, label: Tensor, rule: str) -> dict[tuple[int, int], set[int]]:
    """Map each ordered positive pair to its allowed negatives, the slow and obvious way."""
    everyone = range(len(label))
    pairs = [(a, p) for a, p in permutations(everyone, 2) if label[a] == label[p]]
    allowed = {}
    for a, p in pairs:
        others = [n for n in everyone if label[n] != label[a]]
        if rule == "hardest":
            others = [others[int(d[a, others].argmin())]]
        elif rule == "violating":
            others = [n for n in others if violates(d, a, p, n)]
        elif rule == "semi-hard":
            others = [n for n in others if violates(d, a, p, n) and d[a, n] > d[a, p]]
        allowed[a, p] = set(others)
    return allowed


def violates(d: Tensor, a: int, p: int, n: int) -> bool:
    return bool(d[a, n] < d[a, p] + MARGIN)


def as_list(mined: Triplets) -> list[tuple[int, int, int]]:
    anchor, positive = mined.active.nonzero(as_tuple=True)
    triplets = torch.stack([anchor, positive, mined.negative[anchor, positive]], dim=1)
    return [(a, p, n) for a, p, n in triplets.tolist()]


@pytest.mark.parametrize("rule", get_args(NegativeRule))
@pytest.mark.parametrize("seed", range(5))
def test_mined_triplets_match_the_definition(rule: NegativeRule, seed: int) -> None:
    generator = Generator().manual_seed(seed)
    distance = cosine_distances(torch.randn(24, 3, generator=generator))
    label = torch.randint(0, 6, (24,), generator=generator)
    mined = mine_triplets(distance, label, margin=MARGIN, rule=rule, generator=generator)
    allowed = allowed_negatives(distance, label, rule)
    triplets = as_list(mined)
    drawn = {pair: int(mined.negative[pair]) for pair, negatives in allowed.items() if negatives}
    assert all(n in allowed[pair] for pair, n in drawn.items())
    expected = [(a, p, n) for (a, p), n in drawn.items() if violates(distance, a, p, n)]
    assert sorted(triplets) == sorted(expected)  # each pair once
    assert {(a, p) for a, p in mined.positive.nonzero().tolist()} == set(allowed)


@pytest.mark.parametrize("rule", get_args(NegativeRule))
def test_every_allowed_negative_is_drawn_equally_often(rule: NegativeRule) -> None:
    generator = Generator().manual_seed(0)
    distance = cosine_distances(torch.randn(12, 3, generator=generator))
    label = torch.arange(12) % 4
    allowed, draws = allowed_negatives(distance, label, rule), 2000
    drawn: dict[tuple[int, int, int], int] = {}
    for _ in range(draws):
        mined = mine_triplets(distance, label, margin=MARGIN, rule=rule, generator=generator)
        for triplet in as_list(mined):
            drawn[triplet] = drawn.get(triplet, 0) + 1
    triplets = [(*pair, n) for pair, negatives in allowed.items() for n in negatives]
    assert set(drawn) == {t for t in triplets if violates(distance, *t)}
    for (a, p, _), times in drawn.items():
        share = 1 / len(allowed[a, p])
        assert abs(times / draws - share) < 5 * (share * (1 - share) / draws) ** 0.5 + 1e-9


def test_the_paper_counts_pairs_without_a_allowed_negative() -> None:
    generator = Generator().manual_seed(0)
    label = torch.arange(16) % 4
    z = torch.eye(4)[label] + 0.3 * torch.randn(16, 4, generator=generator)
    distance = cosine_distances(z)
    mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=generator)
    terms = [float(distance[a, p] - distance[a, n]) + MARGIN for a, p, n in as_list(mined)]
    assert 0 < len(terms) < mined.positive.sum() == 16 * 3
    mean_of_all = triplet_loss(distance, mined, margin=MARGIN, average_over="pairs")
    mean_of_active = triplet_loss(distance, mined, margin=MARGIN, average_over="active")
    assert mean_of_all.item() == pytest.approx(sum(terms) / (16 * 3), rel=1e-5)
    assert mean_of_active.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_without_a_allowed_negative_the_loss_is_zero_and_still_runs_backward() -> None:
    z = torch.tensor([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0], [-1.0, 0.01]], requires_grad=True)
    distance, label = cosine_distances(z), torch.tensor([0, 0, 1, 1])
    mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=Generator())
    (gradient,) = torch.autograd.grad(triplet_loss(distance, mined, margin=MARGIN), z)
    assert not mined.active.any()
    assert not gradient.any()


def test_the_fallback_is_any_position_of_the_list_of_negatives() -> None:
    generator = Generator().manual_seed(0)
    label = torch.tensor([0, 1, 0, 1, 0, 2, 2, 0])
    z = torch.eye(3)[label] + 0.02 * torch.randn(8, 3, generator=generator)
    z[7] = torch.tensor([0.5, 0.5, 0.1])  # its pairs have negatives that violate the margin
    distance = cosine_distances(z)
    seen: dict[tuple[int, int], set[int]] = {}
    for _ in range(400):
        mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=generator)
        filled = list_position_fallback(mined, label, generator)
        assert torch.equal(filled.active, mined.positive)
        assert torch.equal(filled.negative[mined.active], mined.negative[mined.active])
        for a, p in (mined.positive & ~mined.active).nonzero().tolist():
            seen.setdefault((a, p), set()).add(int(filled.negative[a, p]))
    assert seen
    for (a, _), positions in seen.items():
        negatives = [n for n in range(8) if label[n] != label[a]]
        assert positions == set(range(len(negatives)))  # positions in the list, not its entries
    assert any(a in positions for (a, _), positions in seen.items())


def test_with_the_fallback_easy_batches_have_a_loss() -> None:
    label = torch.arange(16) % 4
    z = torch.eye(4)[label] + 0.001 * torch.randn(16, 4)
    plain = TripletLoss()(z, label, Generator().manual_seed(0))
    official = TripletLoss(fallback="list-position")
    term = official(z, label, Generator().manual_seed(0))
    assert plain.loss == 0
    assert term.active == plain.active == 0

    generator, distance = Generator().manual_seed(0), cosine_distances(z)
    mined = mine_triplets(distance, label, margin=MARGIN, rule="violating", generator=generator)
    filled = list_position_fallback(mined, label, generator)
    pairs = [(a, p) for a, p in permutations(range(16), 2) if label[a] == label[p]]
    terms = [
        max(0.0, float(distance[a, p] - distance[a, filled.negative[a, p]]) + MARGIN)
        for a, p in pairs
    ]
    assert term.loss.item() == pytest.approx(sum(terms) / len(pairs), rel=1e-5)
    assert term.loss > MARGIN / 10  # one entry in four is of the cluster of the anchor


@pytest.mark.parametrize("label", [[0, 0, 0], [0, 1, 2], [0]])
def test_batches_of_one_cluster_or_of_strangers_have_no_triplets(label: list[int]) -> None:
    distance = cosine_distances(torch.randn(len(label), 4))
    mined = mine_triplets(
        distance, torch.tensor(label), margin=MARGIN, rule="violating", generator=Generator()
    )
    assert not mined.active.any()
    pairs = len(label) ** 2 - len(label) if len(set(label)) == 1 else 0
    assert mined.positive.sum() == pairs
    assert triplet_loss(distance, mined, margin=MARGIN).item() == 0.0
    filled = list_position_fallback(mined, torch.tensor(label), Generator())
    assert not filled.active.any()  # there is no list of negatives, or no pair


def test_triplets_and_distances_are_those_of_the_authors_code(shared: Path) -> None:
    truth = np.load(shared / "reference" / "triplets.npz")
    label, margin = torch.from_numpy(truth["labels"]), float(truth["margin"])
    distance = cosine_distances(torch.from_numpy(truth["embeddings"]))
    np.testing.assert_allclose(distance, truth["cosine_distances"], atol=1e-6)

    hardest, numbers = truth["triplets_hardest"], truth["ap_an_loss_candidates"]
    anchor, positive, negative = torch.from_numpy(hardest).T
    there = torch.zeros_like(distance, dtype=torch.bool)
    there[anchor, positive] = True
    negatives = torch.zeros_like(distance, dtype=torch.long)
    negatives[anchor, positive] = negative
    loss = triplet_loss(distance, Triplets(negatives, there, there), margin=margin)
    assert loss.item() == pytest.approx(float(truth["mean_loss"]), abs=1e-6)

    nearest = mine_triplets(
        distance, label, margin=margin, rule="hardest", generator=Generator().manual_seed(0)
    )
    assert torch.equal(nearest.negative[anchor, positive], negative)

    drawn: dict[tuple[int, int], set[int]] = {}
    for seed in range(200):  # so often that every negative is drawn
        mined = mine_triplets(
            distance,
            label,
            margin=margin,
            rule="violating",
            generator=Generator().manual_seed(seed),
        )
        for a, p, n in as_list(mined):
            drawn.setdefault((a, p), set()).add(n)
    pairs = [(a, p) for a, p in combinations(range(24), 2) if label[a] == label[p]]
    assert sorted(pairs) == sorted((a, p) for a, p, _ in hardest.tolist())
    for (a, p, n), violating in zip(hardest.tolist(), numbers[:, 3].tolist(), strict=True):
        assert n in drawn[a, p]
        assert len(drawn[a, p]) == violating


def test_gradients_are_right() -> None:
    z = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])
    mined = mine_triplets(
        cosine_distances(z), label, margin=2.0, rule="violating", generator=Generator()
    )
    assert torch.autograd.gradcheck(
        lambda z: triplet_loss(cosine_distances(z), mined, margin=2.0), z
    )


def test_the_loss_as_a_part_mines_and_averages() -> None:
    z, label = torch.randn(12, 4), torch.arange(12) % 3
    loss = TripletLoss(margin=0.3, negatives="semi-hard", average_over="pairs")
    term = loss(z, label, Generator().manual_seed(3))
    distance = cosine_distances(z)
    mined = mine_triplets(
        distance, label, margin=0.3, rule="semi-hard", generator=Generator().manual_seed(3)
    )
    assert term.loss == triplet_loss(distance, mined, margin=0.3, average_over="pairs")
    assert term.active == mined.active.sum() / mined.positive.sum()


def test_a_margin_below_zero_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"margin is -0\.1"):
        TripletLoss(margin=-0.1)
