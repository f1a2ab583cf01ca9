"""Classification of test videos by labels; pretraining cannot import this package."""

from slic.evaluation.classification.linear_probe import LinearProbe
from slic.evaluation.classification.task import ClassificationScores, ClassificationTask
from slic.evaluation.classification.trained import FineTuning, LinearTraining, TrainedProtocol

__all__ = [
    "ClassificationScores",
    "ClassificationTask",
    "FineTuning",
    "LinearProbe",
    "LinearTraining",
    "TrainedProtocol",
]
