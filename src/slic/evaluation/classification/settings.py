"""How a classifier is trained; the defaults are the paper's."""

import math
from dataclasses import dataclass, field
from typing import Literal

from slic.clips.augmentation import Augmentation
from slic.embeddings import Precision
from slic.errors import RecipeError

Protocol = Literal["linear", "finetune"]

PAPER_EPOCHS, PAPER_DROPS = 150, (60, 100)


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """Optimizer, length and numerics, the same for ``finetune`` and ``linear``.

    Attributes:
        epochs: Passes over the training videos, one random clip of each.
        batch_size: Clips a step; ours, as none is among the published settings we know.
        learning_rate: Of Adam, for the linear layer.
        backbone_learning_rate: Of Adam, for the backbone when it is fine-tuned.
        weight_decay: Of Adam (an L2 term in the gradient).
        dropout: Share of the backbone's features that a training step does not see.
        precision: Of the forward passes.
        seed: Of the first weights, the order, the clips, their looks and the dropout.
        augmentation: The looks of the training clips, as in pretraining.
    """

    epochs: int = 150
    batch_size: int = 32
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 1e-4
    weight_decay: float = 1e-3
    dropout: float = 0.9
    precision: Precision = "fp32"
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "backbone_learning_rate"):
            self._require(0 < getattr(self, name) < math.inf, name, "above 0")
        for name in ("weight_decay", "seed"):
            self._require(0 <= getattr(self, name) < math.inf, name, "not below 0")
        self._require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")

    def _require(self, lawful: bool, name: str, rule: str) -> None:
        if not lawful:
            word = name.replace("_", "-")
            raise RecipeError(f"--{word} is {getattr(self, name)}, but it must be {rule}.")

    @property
    def drops(self) -> tuple[int, int]:
        """The epochs, counted from 0, from which on the rates are a tenth, and a hundredth.

        60 and 100 of 150 in the paper; for another number of epochs the same shares, rounded up.
        """
        first, second = (-(-drop * self.epochs // PAPER_EPOCHS) for drop in PAPER_DROPS)
        return first, second

    def rate_factor(self, epoch: int) -> float:
        """Return what the rates are multiplied by in an epoch, counted from 0."""
        return float(0.1 ** sum(epoch >= drop for drop in self.drops))
