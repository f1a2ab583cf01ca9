"""Learning-rate schedules of pretraining.

A recipe names one by a key of `SCHEDULES`, or by an import path outside the package.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from slic.arguments import require


@runtime_checkable
class Schedule(Protocol):
    """The learning rate of each step.

    Give the length of a warm-up as ``warmup_steps``: a run that is all warm-up is reported.
    """

    def __call__(self, learning_rate: float, *, step: int, total_steps: int) -> float:
        """Return the learning rate of a step.

        Args:
            learning_rate: Base learning rate of the optimizer.
            step: Index of the step, from 0.
            total_steps: Number of steps of the run.
        """
        ...


@dataclass(frozen=True)
class ConstantSchedule:
    """A constant learning rate after a linear warm-up.

    Args:
        warmup_steps: Steps in which the learning rate rises linearly from near 0; 0 for none.
    """

    warmup_steps: int = 0

    def __post_init__(self) -> None:
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "at least 0")

    def __call__(
        self,
        learning_rate: float,
        *,
        step: int,
        total_steps: int,  # noqa: ARG002 (protocol)
    ) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup_steps:
            return learning_rate * (step + 1) / self.warmup_steps
        return learning_rate


@dataclass(frozen=True)
class CosineSchedule(ConstantSchedule):
    """Half a cosine from the base learning rate down to 0, after a linear warm-up."""

    def __call__(self, learning_rate: float, *, step: int, total_steps: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup_steps:
            return super().__call__(learning_rate, step=step, total_steps=total_steps)
        done = (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps)
        return learning_rate * 0.5 * (1 + math.cos(math.pi * done))


SCHEDULES: dict[str, type] = {"constant": ConstantSchedule, "cosine": CosineSchedule}
