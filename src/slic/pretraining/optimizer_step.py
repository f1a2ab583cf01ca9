"""Optimizer steps that are skipped on the device when a number is not finite."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from slic.schedules import Schedule


class SafeOptimizer:
    """An optimizer with a schedule that skips steps with a non-finite loss or gradient.

    A skipped step changes no weight, no state of the optimizer, and no running statistic of batch
    norm. With a fused optimizer the device decides, and the host does not wait for it.

    Args:
        encoder: The module whose weights are trained.
        optimizer: The optimizer of these weights.
        learning_rate: Base learning rate.
        schedule: Learning rate of each step.
    """

    def __init__(
        self, encoder: nn.Module, optimizer: Optimizer, *, learning_rate: float, schedule: Schedule
    ) -> None:
        self.encoder = encoder
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self._statistics: list[tuple[Tensor, Tensor]] = []

    def start_step(self, step: int, total_steps: int) -> float:
        """Set the learning rate and clear the gradients, before the forward pass.

        Returns:
            The learning rate of the step.
        """
        rate = self.schedule(self.learning_rate, step=step, total_steps=total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        self._statistics = [(buffer, buffer.clone()) for buffer in self.encoder.buffers()]
        self.optimizer.zero_grad(set_to_none=True)
        return rate

    def step(self, loss: Float[Tensor, ""]) -> Bool[Tensor, ""]:
        """Run the backward pass and make the step, unless a number is not finite.

        Returns:
            Whether the step was skipped, on the device.
        """
        loss.backward()  # type: ignore[no-untyped-call]
        return self._step_if_finite(loss)

    @torch.no_grad()
    def _step_if_finite(self, loss: Float[Tensor, ""]) -> Bool[Tensor, ""]:
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        skipped = ~(loss.isfinite() & norm.isfinite())
        if getattr(self.optimizer, "_step_supports_amp_scaling", False):
            # Fused kernels do nothing where this flag is 1; torch.amp.GradScaler sets it likewise.
            self.optimizer.found_inf = skipped.float()  # type: ignore[attr-defined]
            self.optimizer.step()
        elif not skipped.item():
            self.optimizer.step()
        for buffer, before in self._statistics:  # a running mean stays non-finite once it is
            buffer.copy_(before.where(skipped, buffer))
        return skipped
