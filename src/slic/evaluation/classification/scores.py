"""Accuracy of predicted class probabilities, over every test video."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from slic.errors import SlicError
from slic.evaluation.classification.problem import Problem


@dataclass(frozen=True, kw_only=True)
class ClassificationScores:
    """What one classification gave, and by which protocol; shares are between 0 and 1.

    Attributes:
        top_1: Share of the test videos whose likeliest class is theirs.
        top_5: Share of those with their class among the five likeliest; None up to five classes.
        mean_class_accuracy: Mean of the accuracies of the classes that have test videos.
        class_accuracy: Accuracy of each of those classes.
        confusion: Row: true class, column: named class, in the order of ``classes``.
        classes: Names of all classes.
        chance: Accuracy of a class drawn at random.
        majority: Accuracy of always naming the commonest class of the training videos.
        train_videos: Number of videos learnt from.
        videos: Number of test videos; all of them count.
        absent: Test videos of the labels that are refused or not there, and do not count.
        protocol: The conditions in words.
    """

    top_1: float
    top_5: float | None
    mean_class_accuracy: float
    class_accuracy: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    chance: float
    majority: float
    train_videos: int
    videos: int
    absent: tuple[str, ...]
    protocol: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, the protocol first."""
        return {"protocol": self.protocol} | vars(self)

    def table(self) -> str:
        """Return the scores in percent with their protocol, for a terminal."""
        columns = {"top-1": self.top_1}
        if self.top_5 is not None:
            columns["top-5"] = self.top_5
        columns |= {
            "class mean": self.mean_class_accuracy,
            "chance": self.chance,
            "majority": self.majority,
        }
        sizes = f"{self.videos} test videos, {len(self.classes)} classes, "
        sizes += f"learnt from {self.train_videos} videos"
        if self.absent:
            sizes += f"; {len(self.absent)} more of the split cannot be read and do not count"
        width = max(map(len, self.classes))
        return "\n".join(
            [
                f"classification ({self.protocol})",
                sizes,
                "".join(f"{name:>12}" for name in columns),
                "".join(f"{100 * value:>12.1f}" for value in columns.values()),
                "accuracy by class",
                *(f"  {c:<{width}} {100 * a:6.1f}" for c, a in self.class_accuracy.items()),
            ]
        )


def score(
    probabilities: Float[np.ndarray, "m k"], problem: Problem, *, protocol: str
) -> ClassificationScores:
    """Score the class probabilities of the test videos; equally likely ones rank in class order.

    Raises:
        SlicError: A probability is not a number.
    """
    if not np.isfinite(probabilities).all():
        bad = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
        raise SlicError(
            f"{problem.test[bad].id}: its predicted probabilities are not finite; "
            "train again with --precision fp32."
        )
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = (order == problem.test_targets[:, None]).argmax(axis=1)
    right = rank == 0
    per_class = {
        name: float(right[problem.test_targets == c].mean())
        for c, name in enumerate(problem.classes)
        if (problem.test_targets == c).any()
    }
    return ClassificationScores(
        top_1=float(right.mean()),
        top_5=float((rank < 5).mean()) if len(problem.classes) > 5 else None,
        mean_class_accuracy=float(np.mean(list(per_class.values()))),
        class_accuracy=per_class,
        confusion=_confusion(problem.test_targets, order[:, 0], classes=problem.classes),
        classes=problem.classes,
        chance=problem.chance,
        majority=problem.majority,
        train_videos=len(problem.train),
        videos=len(problem.test),
        absent=problem.absent,
        protocol=protocol,
    )


def _confusion(
    true: Int64[np.ndarray, " m"], named: Int64[np.ndarray, " m"], *, classes: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (true, named), 1)
    return tuple(map(tuple, counts.tolist()))
