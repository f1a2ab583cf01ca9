"""Batch norm over the clips of all processes, on CPUs; PyTorch's own needs GPUs."""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SharedBatchNorm(_BatchNorm):
    """Batch norm over all processes (Ioffe and Szegedy, arXiv 1502.03167), like `SyncBatchNorm`.

    Every process has the same number of clips, and calls its layers in the same order.
    """

    def forward(self, x: Float[Tensor, "b c *rest"]) -> Float[Tensor, "b c *rest"]:
        """Normalise each channel, and update the running statistics in training."""
        if not self.training or distributed.get_world_size() == 1:
            output: Tensor = super().forward(x)
            return output
        y, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps)
        self._update(mean, variance * (count / (count - 1)))
        normalised: Tensor = y
        return normalised

    @torch.no_grad()
    def _update(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"]) -> None:
        """Move the running statistics, with the unbiased variance, as PyTorch does."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 1.0 / int(self.num_batches_tracked or 1) if self.momentum is None else self.momentum
        if share:  # statistics_kept has 0: then not even NaN may come in
            self.running_mean.mul_(1.0 - share).add_(mean, alpha=share)
            self.running_var.mul_(1.0 - share).add_(variance, alpha=share)

    def _check_input_dim(self, _: Tensor) -> None:
        """Take any number of dimensions."""


def share_batch_norm(module: nn.Module) -> None:
    """Make the batch norms of a module those over all processes; weights stay where they are."""
    for part in module.modules():
        if type(part) in _KINDS:
            part.__class__ = SharedBatchNorm


class _Normalise(Function):
    """Normalise over all processes; one exchange of two numbers per channel in each direction."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        """Return the normalised input, mean and variance of all, and the number of values."""
        own_variance, own_mean = torch.var_mean(_wide(x), _dims(x), correction=0)
        means, variances = _of_all(torch.stack([own_mean, own_variance])).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        y = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        return y, mean, variance, x.numel() // len(mean) * len(means)

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients; those of weight and bias are of this process alone."""
        x, weight, mean, scale = ctx.saved_tensors
        normalised = (_wide(x) - _for(x, mean)) * _for(x, scale)
        own = torch.stack([_wide(dy).sum(_dims(x)), (dy * normalised).sum(_dims(x))])
        count = distributed.get_world_size() * x.numel() // len(mean)
        mean_dy, mean_product = _of_all(own).sum(0) / count
        dx = dy - _for(x, mean_dy) - normalised * _for(x, mean_product)
        if weight is None:
            return (dx * _for(x, scale)).to(x.dtype), None, None, None
        return (dx * _for(x, scale * weight)).to(x.dtype), own[1], own[0], None


def _wide(x: Tensor) -> Tensor:
    """Return values with at least 32 bits, in which they are summed."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _dims(x: Tensor) -> list[int]:
    """Return all dimensions but that of the channels."""
    return [0, *range(2, x.ndim)]


def _for(x: Tensor, values: Float[Tensor, " c"]) -> Tensor:
    """Return values per channel in a shape that goes with an input."""
    return values.view(-1, *[1] * (x.ndim - 2))


def _of_all(values: Shaped[Tensor, "*rest"]) -> Shaped[Tensor, "p *rest"]:
    """Return the values of all processes, in the order of their ranks."""
    parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, values)
    return torch.stack(parts)
