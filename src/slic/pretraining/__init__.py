"""Learning an encoder from unlabelled videos."""

from slic.pretraining.entry import pretrain
from slic.pretraining.reporting import Observer
from slic.pretraining.run import PretrainResult
from slic.runs import StopRequested

__all__ = ["Observer", "PretrainResult", "StopRequested", "pretrain"]
