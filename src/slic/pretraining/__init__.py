"""Pretraining: learn an encoder from unlabelled videos (Khorasgani et al., CVPR 2022).

`loop.train` is the method. `entry.pretrain` starts a run, `build` makes its parts from a recipe,
and everything that is not the method (logs, checkpoints, signals) is a callback.
"""

from slic.pretraining.entry import PretrainResult, pretrain
from slic.pretraining.observer import Observer
from slic.signals import StopRequested

__all__ = ["Observer", "PretrainResult", "StopRequested", "pretrain"]
