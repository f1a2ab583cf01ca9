"""What a loss is, and the cosine similarities that losses share.

Losses compute in float32, or in float64 when given that, also under autocast. Near a distance of 1,
the temporal margin of 0.04 is only ten steps of bfloat16.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import normalize


class InstanceTerm(NamedTuple):
    """The instance loss of a batch.

    Attributes:
        loss: The loss, connected to the graph even where it is 0.
        active: Share of the positive pairs, or of the batch, that contributed to the loss.
    """

    loss: Float[Tensor, ""]
    active: Float[Tensor, ""]


@runtime_checkable
class InstanceLoss(Protocol):
    """A loss on the embeddings of a batch and their pseudo-labels.

    The keyword arguments of its constructor are the keys of the section ``loss`` of a recipe.
    """

    def __call__(
        self, z: Float[Tensor, "n d"], labels: Int[Tensor, " n"], generator: Generator, /
    ) -> InstanceTerm:
        """Return the instance loss.

        Args:
            z: Embeddings, not normalised.
            labels: Pseudo-labels. Entries with equal pseudo-labels are positives of each other.
            generator: Source of random numbers, on the device of ``z``.
        """
        ...


def cosine_similarities(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Return the cosine similarity of every pair of rows, in [-1, 1]."""
    with torch.autocast(z.device.type, enabled=False):  # autocast would compute it in bfloat16
        unit = normalize(full_precision(z), dim=1)
        return unit @ unit.T


def cosine_distances(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Return 1 minus the cosine similarity of every pair of rows: 0 is equal, 2 is opposite."""
    return 1.0 - cosine_similarities(z)


def full_precision(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return embeddings in float32, or in float64 where they are."""
    return z if z.dtype == torch.float64 else z.float()


def diagonal(rows: Float[Tensor, "n d"]) -> Bool[Tensor, "n n"]:
    """Return a matrix that is true where an entry is paired with itself."""
    return torch.eye(len(rows), dtype=torch.bool, device=rows.device)
