"""Optimizers of pretraining.

A recipe names one by a key of `OPTIMIZERS`, or by the import path of a function or class that takes
the parameters first and the ``learning_rate`` among its keyword arguments.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from slic.arguments import require

Parameters = Iterable[Any]  # weights, or groups of them as dictionaries


def sgd(
    parameters: Parameters,
    learning_rate: float = 0.1,
    momentum: float = 0.5,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Return stochastic gradient descent; the defaults are the paper's.

    Args:
        parameters: The weights to train.
        learning_rate: Base learning rate, above 0; the schedule changes it.
        momentum: At least 0.
        weight_decay: L2 penalty, at least 0.
    """
    require(0 < learning_rate < math.inf, "learning_rate", learning_rate, "above 0")
    require(0 <= momentum < math.inf, "momentum", momentum, "at least 0")
    require(0 <= weight_decay < math.inf, "weight_decay", weight_decay, "at least 0")
    optimizer = torch.optim.SGD(
        list(parameters), lr=learning_rate, momentum=momentum, weight_decay=weight_decay, fused=True
    )
    if momentum:
        for group in optimizer.param_groups:
            for weight in group["params"]:  # uninitialised otherwise, if the first step is skipped
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer


def adamw(
    parameters: Parameters, learning_rate: float = 1e-3, weight_decay: float = 0.01
) -> Optimizer:
    """Return AdamW (Loshchilov and Hutter, ICLR 2019).

    Args:
        parameters: The weights to train.
        learning_rate: Base learning rate, above 0; the schedule changes it.
        weight_decay: Decoupled weight decay, at least 0.
    """
    require(0 < learning_rate < math.inf, "learning_rate", learning_rate, "above 0")
    require(0 <= weight_decay < math.inf, "weight_decay", weight_decay, "at least 0")
    return torch.optim.AdamW(
        list(parameters), lr=learning_rate, weight_decay=weight_decay, fused=True
    )


OPTIMIZERS: dict[str, Callable[..., Any]] = {"sgd": sgd, "adamw": adamw}
