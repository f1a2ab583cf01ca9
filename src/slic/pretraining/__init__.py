"""Learning an encoder from unlabelled videos."""

from slic.pretraining.run import Observer, PretrainResult, StopRequested, pretrain

__all__ = ["Observer", "PretrainResult", "StopRequested", "pretrain"]
