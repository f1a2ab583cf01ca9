"""The training loss of a batch: an instance term on the pseudo-labels and a temporal term."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn import functional as F

from slic.losses import (
    AverageOver,
    NegativeRule,
    cosine_distances,
    mine_triplets,
    multi_positive_info_nce,
    temporal_loss,
    triplet_loss,
)


class InstanceTerm(NamedTuple):
    """The instance loss, and the share of positive pairs (or entries) that took part in it."""

    loss: Float[Tensor, ""]
    active: Float[Tensor, ""]


InstanceLoss = Callable[[Float[Tensor, "n d"], Int[Tensor, " n"], Generator], InstanceTerm]


class LossTerms(NamedTuple):
    """``total = instance + weight * temporal``; ``spread`` is 0 when all embeddings are alike."""

    total: Float[Tensor, ""]
    instance: Float[Tensor, ""]
    temporal: Float[Tensor, ""]
    active: Float[Tensor, ""]
    spread: Float[Tensor, ""]


def triplet_instance(
    *, margin: float, rule: NegativeRule, average_over: AverageOver
) -> InstanceLoss:
    """Return the paper's instance loss: one random violating negative for every positive pair."""

    def instance(
        z: Float[Tensor, "n d"], label: Int[Tensor, " n"], generator: Generator
    ) -> InstanceTerm:
        distance = cosine_distances(z)
        triplets = mine_triplets(distance, label, margin=margin, rule=rule, generator=generator)
        loss = triplet_loss(distance, triplets, margin=margin, average_over=average_over)
        active = triplets.active.sum() / triplets.positive.sum().clamp(min=1)
        return InstanceTerm(loss, active)

    return instance


def info_nce_instance(*, temperature: float) -> InstanceLoss:
    """Return InfoNCE with every entry of the same pseudo-label as a positive."""

    def instance(z: Float[Tensor, "n d"], label: Int[Tensor, " n"], _: Generator) -> InstanceTerm:
        loss, left_out = multi_positive_info_nce(z, label, temperature=temperature)
        return InstanceTerm(loss, 1.0 - left_out / len(label))

    return instance


def loss_terms(
    looks: Float[Tensor, "b views d"],
    pseudo_label: Int[Tensor, " b"],
    *,
    instance: InstanceLoss,
    temporal_weight: float,
    temporal_margin: float,
    generator: Generator,
) -> LossTerms:
    """Return the loss of a batch of embedded samples (anchor, positive and maybe second look).

    ``generator`` is on the device of ``looks``. The temporal term needs the second look.
    """
    pairs = looks[:, :2]
    term = instance(pairs.flatten(0, 1), pseudo_label.repeat_interleave(2), generator)
    temporal = looks.new_zeros(())
    if temporal_weight:
        anchor, positive, second_view = looks.unbind(1)
        temporal = temporal_loss(
            anchor, same_moment=second_view, other_moment=positive, margin=temporal_margin
        )
    mean_direction = F.normalize(pairs.detach().flatten(0, 1).float(), dim=1).mean(0)
    return LossTerms(
        total=term.loss + temporal_weight * temporal,
        instance=term.loss.detach(),
        temporal=temporal.detach(),
        active=term.active,
        spread=1.0 - mean_direction.square().sum(),
    )
