"""One step of the optimizer. What hangs on a number the device decides, so the host never waits."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer


@torch.no_grad()
def step_if_finite(
    optimizer: Optimizer, loss: Float[Tensor, ""], *, statistics: Iterable[tuple[Tensor, Tensor]]
) -> Bool[Tensor, ""]:
    """Make a step unless the loss or the gradient is not finite; return whether it was left out.

    A step left out changes no weight, nothing that the optimizer gathers, and no running statistic.

    Args:
        optimizer: A fused one. Its kernels read the flag ``found_inf``, as a `torch.amp.GradScaler`
            sets it, and do nothing where it is 1.
        loss: What ``backward`` was called on.
        statistics: Every running statistic, as it is after the forward pass and as it was before.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norm = get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    left_out = ~(loss.isfinite() & norm.isfinite())
    optimizer.found_inf = left_out.float()  # type: ignore[attr-defined]
    optimizer.step()
    for now, before in statistics:  # a running mean that is not finite once stays so
        now.copy_(before.where(left_out, now))
    return left_out
