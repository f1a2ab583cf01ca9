"""Triplet loss with one random negative per positive pair, mined inside the batch."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import relu

from slic.arguments import require
from slic.losses.base import InstanceTerm, cosine_distances, diagonal

NegativeRule = Literal["violating", "semi-hard", "random", "hardest"]
AverageOver = Literal["pairs", "active"]
Fallback = Literal["none", "list-position"]


@dataclass(frozen=True)
class TripletLoss:
    """Instance loss of the paper: mean of ``max(0, d(a, p) - d(a, n) + margin)``.

    For each positive pair (a, p) of the batch, one negative n is drawn at random among the entries
    that violate the margin (see `mine_triplets`).

    Args:
        margin: How much farther than the positive a negative should be; the paper uses 0.2.
        negatives: Which negatives are drawn. ``"violating"`` (the paper) allows every negative
            nearer than ``d(a, p) + margin``; ``"semi-hard"`` also asks that it is farther than p.
            ``"random"`` allows every negative, ``"hardest"`` only the nearest one.
        average_over: A pair whose negative does not violate the margin has the term 0. ``"pairs"``
            (the paper) counts it in the mean, ``"active"`` leaves it out.
        fallback: What stands in where no negative can be drawn. ``"list-position"`` is an oddity of
            the authors' code, see `list_position_fallback`; it is for ``compat: official``.

    Raises:
        RecipeError: The margin is below 0.
    """

    margin: float = 0.2
    negatives: NegativeRule = "violating"
    average_over: AverageOver = "pairs"
    fallback: Fallback = "none"

    def __post_init__(self) -> None:
        require(0 <= self.margin < math.inf, "margin", self.margin, "at least 0")

    def __call__(
        self, z: Float[Tensor, "n d"], labels: Int[Tensor, " n"], generator: Generator
    ) -> InstanceTerm:
        """Return the loss and the share of positive pairs whose negative violates the margin."""
        distance = cosine_distances(z)
        triplets = mine_triplets(
            distance, labels, margin=self.margin, rule=self.negatives, generator=generator
        )
        active = triplets.active.sum() / triplets.positive.sum().clamp(min=1)
        if self.fallback == "list-position":
            triplets = list_position_fallback(triplets, labels, generator)
        loss = triplet_loss(distance, triplets, margin=self.margin, average_over=self.average_over)
        return InstanceTerm(loss, active)


class Triplets(NamedTuple):
    """The triplets of a batch, as matrices over its ordered pairs (anchor, positive).

    Matrices have a fixed size. The length of a list of triplets would depend on the data, and a
    host would have to wait for a GPU to know it.

    Attributes:
        negative: Index of the negative of each pair; meaningless where the pair is not active.
        active: Whether the pair is positive and its negative violates the margin.
        positive: Whether the pair is positive.
    """

    negative: Int[Tensor, "n n"]
    active: Bool[Tensor, "n n"]
    positive: Bool[Tensor, "n n"]


@torch.no_grad()
def mine_triplets(
    distance: Float[Tensor, "n n"],
    labels: Int[Tensor, " n"],
    *,
    margin: float,
    rule: NegativeRule,
    generator: Generator,
) -> Triplets:
    """Draw one negative for every ordered positive pair that has an allowed one.

    The negatives of each anchor are sorted by distance. The allowed ones of a pair are then a range
    of that row, so memory is O(n²) and each pair takes one random number.

    Args:
        distance: Distances between the entries of the batch.
        labels: Entries with equal pseudo-labels are positives of each other.
        margin: See `TripletLoss`.
        rule: See ``negatives`` of `TripletLoss`.
        generator: Source of the draw, on the device of ``distance``.
    """
    same = labels[:, None] == labels[None, :]
    nearest_first, order = distance.masked_fill(same, torch.inf).sort(dim=1)
    end = torch.searchsorted(nearest_first, distance + margin)
    start, violating = torch.zeros_like(end), end
    if rule == "semi-hard":
        start = torch.searchsorted(nearest_first, distance, right=True)
    elif rule == "random":
        end = (~same).sum(dim=1, keepdim=True)
    elif rule == "hardest":
        end = (~same).any(dim=1, keepdim=True).long()
    count = end - start
    draw = torch.rand(distance.shape, generator=generator, device=distance.device)
    # float32 can round draw * count up to count; pairs without a negative would get -1
    rank = (start + torch.minimum((draw * count).long(), count - 1)).clamp(min=0)
    positive = same & ~diagonal(distance)
    active = positive & (count > 0) & (rank < violating)
    return Triplets(order.gather(1, rank), active, positive)


@torch.no_grad()
def list_position_fallback(
    triplets: Triplets, labels: Int[Tensor, " n"], generator: Generator
) -> Triplets:
    """Give pairs without a negative the one that the authors' code takes.

    That code draws a position in the list of the anchor's negatives, and uses it as a position in
    the batch. The entry may be the anchor, the positive or another of their cluster. Such a pair
    has a term of about the margin, also where all clusters are apart. Pairs of an anchor without
    any negative stay without.

    Args:
        triplets: See `mine_triplets`.
        labels: Entries with equal pseudo-labels are positives of each other.
        generator: Source of the draw, on the device of ``labels``.

    Returns:
        The triplets, in which the pairs with a fallback are active too.
    """
    length = (labels[:, None] != labels[None, :]).sum(dim=1, keepdim=True)
    draw = torch.rand(triplets.negative.shape, generator=generator, device=labels.device)
    position = torch.minimum((draw * length).long(), (length - 1).clamp(min=0))
    return Triplets(
        negative=torch.where(triplets.active, triplets.negative, position),
        active=triplets.active | (triplets.positive & (length > 0)),
        positive=triplets.positive,
    )


def triplet_loss(
    distance: Float[Tensor, "n n"],
    triplets: Triplets,
    *,
    margin: float,
    average_over: AverageOver = "pairs",
) -> Float[Tensor, ""]:
    """Return the mean of ``max(0, d(a, p) - d(a, n) + margin)`` over the pairs of a batch.

    Args:
        distance: Distances between the entries of the batch.
        triplets: See `mine_triplets`.
        margin: See `TripletLoss`.
        average_over: See `TripletLoss`.
    """
    to_negative = distance.gather(1, triplets.negative)
    terms = relu(distance - to_negative + margin).where(triplets.active, 0.0)
    counted = triplets.positive if average_over == "pairs" else triplets.active
    return terms.sum() / counted.sum().clamp(min=1)
