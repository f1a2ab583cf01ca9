"""Temporal discrimination: another view of a moment is nearer than another moment."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, relu

from slic.arguments import require
from slic.losses.base import full_precision


@dataclass(frozen=True)
class TemporalLoss:
    """Mean of ``max(0, d(a, a') - d(a, p) + margin)``.

    a is the anchor, a' another view of the same frames, and p the positive.

    Args:
        weight: Weight of this term in the training loss. With 0 no second view is made.
        margin: How much nearer than the positive the second view should be; the paper uses 0.04.

    Raises:
        RecipeError: An argument is below 0.
    """

    weight: float = 1.0
    margin: float = 0.04

    def __post_init__(self) -> None:
        for name in ("weight", "margin"):
            require(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "at least 0")

    def __call__(
        self,
        anchor: Float[Tensor, "b d"],
        *,
        second_view: Float[Tensor, "b d"],
        positive: Float[Tensor, "b d"],
    ) -> Float[Tensor, ""]:
        """Return the loss, without its weight."""
        a, second, p = (full_precision(z) for z in (anchor, second_view, positive))
        near = 1.0 - cosine_similarity(a, second)
        far = 1.0 - cosine_similarity(a, p)
        return relu(near - far + self.margin).mean()
