"""The training loss: an instance term on pseudo-labels, and a temporal term."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn import functional as F

from slic.errors import TrainingError
from slic.losses import InstanceLoss, InstanceTerm, TemporalLoss


class LossTerms(NamedTuple):
    """The loss of a batch and its parts.

    Attributes:
        total: ``instance + weight * temporal``, connected to the graph.
        instance: The instance loss.
        temporal: The temporal loss, without its weight; 0 if it has none.
        active: Share of the positive pairs, or of the batch, that contributed to the loss.
        spread: 1 minus the squared length of the mean direction; 0 if all embeddings are equal.
    """

    total: Float[Tensor, ""]
    instance: Float[Tensor, ""]
    temporal: Float[Tensor, ""]
    active: Float[Tensor, ""]
    spread: Float[Tensor, ""]


def mean_terms(terms: Iterable[LossTerms]) -> LossTerms:
    """Return the mean of each term over vectors or groups."""
    return LossTerms(*(torch.stack(values).mean() for values in zip(*terms, strict=True)))


@dataclass(frozen=True)
class Objective:
    """``L = L_instance + weight * L_temporal`` (Khorasgani et al., CVPR 2022).

    Args:
        instance: The instance loss, on anchors and positives.
        temporal: The temporal loss. With a weight above 0 it needs the second view.
        lengths: Length of each vector of an embedding. The loss is the mean over the vectors, each
            with its own pseudo-labels. None is one vector.
    """

    instance: InstanceLoss
    temporal: TemporalLoss
    lengths: Sequence[int] | None = None

    def __call__(
        self,
        views: Float[Tensor, "b views d"],
        labels: Int[Tensor, "b 2 v"],
        generator: Generator,
    ) -> LossTerms:
        """Return the loss of a batch.

        Args:
            views: Embeddings of anchor, positive and perhaps second view of each sample.
            labels: Pseudo-label of anchor and positive of each sample, by each vector.
            generator: Source of random numbers, on the device of ``views``.
        """
        parts = torch.split(views, list(self.lengths or views.shape[2:]), dim=2)
        return mean_terms(
            self._loss_of_vector(part, labels[:, :, number], generator)
            for number, part in enumerate(parts)
        )

    def _loss_of_vector(
        self,
        views: Float[Tensor, "b views d"],
        labels: Int[Tensor, "b 2"],
        generator: Generator,
    ) -> LossTerms:
        pairs = views[:, :2]
        term = self.instance(pairs.flatten(0, 1), labels.flatten(), generator)
        if not isinstance(term, InstanceTerm):  # a loss of somebody else may return anything
            raise TrainingError(
                f"the loss {type(self.instance).__name__} returned {type(term).__name__}. It must "
                "return slic.losses.InstanceTerm(loss, active)."
            )
        temporal = views.new_zeros(())
        if self.temporal.weight:
            anchor, positive, second_view = views.unbind(1)
            temporal = self.temporal(anchor, second_view=second_view, positive=positive)
        mean_direction = F.normalize(pairs.detach().flatten(0, 1).float(), dim=1).mean(0)
        return LossTerms(
            total=term.loss + self.temporal.weight * temporal,
            instance=term.loss.detach(),
            temporal=temporal.detach(),
            active=term.active,
            spread=1.0 - mean_direction.square().sum(),
        )
