"""InfoNCE with all entries of the same pseudo-label as positives."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from slic.arguments import require
from slic.losses.base import InstanceTerm, cosine_similarities, diagonal


@dataclass(frozen=True)
class InfoNCELoss:
    """Supervised contrastive loss on pseudo-labels (Khosla et al., NeurIPS 2020, ``L_out``).

    Args:
        temperature: Divides the cosine similarities, above 0.

    Raises:
        RecipeError: The temperature is not above 0.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        require(0 < self.temperature < math.inf, "temperature", self.temperature, "above 0")

    def __call__(
        self,
        z: Float[Tensor, "n d"],
        labels: Int[Tensor, " n"],
        generator: Generator,  # noqa: ARG002 (part of the protocol)
    ) -> InstanceTerm:
        """Return the loss and the share of entries with a positive; nothing is drawn."""
        loss, left_out = multi_positive_info_nce(z, labels, temperature=self.temperature)
        return InstanceTerm(loss, 1.0 - left_out / len(labels))


class InfoNCE(NamedTuple):
    """The loss of a batch, and how many entries without a positive it leaves out."""

    loss: Float[Tensor, ""]
    left_out: Int[Tensor, ""]


def multi_positive_info_nce(
    z: Float[Tensor, "n d"], labels: Int[Tensor, " n"], *, temperature: float
) -> InfoNCE:
    """Return InfoNCE over a batch in which an entry may have several positives.

    For each entry with a positive: the mean, over its positives, of ``-log softmax`` of the cosine
    similarities to all other entries, divided by the temperature. The loss is the mean over these
    entries.

    Args:
        z: Embeddings, not normalised.
        labels: Entries with equal pseudo-labels are positives of each other.
        temperature: Above 0.
    """
    itself = diagonal(z)
    similarity = cosine_similarities(z) / temperature
    log_probability = similarity.masked_fill(itself, -torch.inf).log_softmax(dim=1)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    positives = positive.sum(dim=1)
    total = log_probability.where(positive, 0.0).sum(dim=1)
    counted = positives > 0
    loss = -(total / positives.clamp(min=1)).sum() / counted.sum().clamp(min=1)
    return InfoNCE(loss, left_out=(~counted).sum())
