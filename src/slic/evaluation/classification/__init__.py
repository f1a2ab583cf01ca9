"""Classification: fine-tuning, the linear protocol, and a quick probe on cached features.

Labels are trained on here and nowhere else: this room is closed to pretraining.
"""

from slic.evaluation.classification.entry import classify
from slic.evaluation.classification.logistic import probe
from slic.evaluation.classification.problem import Problem, split_videos
from slic.evaluation.classification.scores import ClassificationScores
from slic.evaluation.classification.settings import ClassifierSettings

__all__ = [
    "ClassificationScores",
    "ClassifierSettings",
    "Problem",
    "classify",
    "probe",
    "split_videos",
]
