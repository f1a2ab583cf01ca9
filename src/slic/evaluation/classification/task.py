"""A classification task, and the accuracy of predictions for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from slic.errors import LabelError, SlicError
from slic.evaluation.base import LabelledSplit
from slic.videos.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class ClassificationTask:
    """Training and test videos with class numbers.

    Attributes:
        classes: The labels of the training videos in alphabetical order. A class number is an index
            into them.
        train: Training videos.
        train_targets: Class number of each of them.
        test: Test videos; all of them count.
        test_targets: Class number of each of them.
        absent: Ids of test videos that cannot be used: the files are refused or missing.
    """

    classes: tuple[str, ...]
    train: Catalog
    train_targets: Int64[np.ndarray, " n"]
    test: Catalog
    test_targets: Int64[np.ndarray, " m"]
    absent: tuple[str, ...] = ()

    @classmethod
    def from_split(cls, split: LabelledSplit) -> "ClassificationTask":
        """Number the labels of a split.

        Raises:
            LabelError: The training videos have a single label, or a test video has a label that
                no training video has.
        """
        classes = sorted(set(split.train_labels))
        if len(classes) < 2:
            raise LabelError(
                f"the training videos have only the label {classes[0]!r}; give two or more."
            )
        if unknown := sorted(set(split.test_labels) - set(classes)):
            count = sum(label in unknown for label in split.test_labels)
            raise LabelError(
                f"{count} test videos have a label that no training video has, the first is "
                f"{unknown[0]!r}. Add training videos with it, or leave these test videos out."
            )
        return cls(
            classes=tuple(classes),
            train=split.train,
            train_targets=np.searchsorted(classes, split.train_labels).astype(np.int64),
            test=split.test,
            test_targets=np.searchsorted(classes, split.test_labels).astype(np.int64),
            absent=split.absent_test,
        )

    @property
    def chance(self) -> float:
        """Accuracy of a class drawn at random."""
        return 1.0 / len(self.classes)

    @property
    def majority(self) -> float:
        """Accuracy of always predicting the most frequent class of the training videos."""
        most_frequent = np.bincount(self.train_targets).argmax()
        return float((self.test_targets == most_frequent).mean())

    def score(
        self, probabilities: Float[np.ndarray, "m k"], *, protocol: str
    ) -> "ClassificationScores":
        """Score the predicted class probabilities of the test videos.

        Args:
            probabilities: One row per test video. Of equal probabilities, the earlier class ranks
                higher.
            protocol: The conditions in words, kept beside the numbers.

        Raises:
            SlicError: A probability is not finite.
        """
        if not np.isfinite(probabilities).all():
            bad = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
            raise SlicError(
                f"{self.test[bad].id}: its predicted probabilities are not finite. "
                "Train again with precision 'fp32'."
            )
        order = np.argsort(-probabilities, axis=1, kind="stable")
        rank = (order == self.test_targets[:, None]).argmax(axis=1)
        correct = rank == 0
        class_accuracy = {
            name: float(correct[self.test_targets == c].mean())
            for c, name in enumerate(self.classes)
            if (self.test_targets == c).any()
        }
        return ClassificationScores(
            top_1=float(correct.mean()),
            top_5=float((rank < 5).mean()) if len(self.classes) > 5 else None,
            mean_class_accuracy=float(np.mean(list(class_accuracy.values()))),
            class_accuracy=class_accuracy,
            confusion=self._confusion_matrix(order[:, 0]),
            classes=self.classes,
            chance=self.chance,
            majority=self.majority,
            train_videos=len(self.train),
            videos=len(self.test),
            absent=self.absent,
            protocol=protocol,
        )

    def _confusion_matrix(self, predicted: Int64[np.ndarray, " m"]) -> tuple[tuple[int, ...], ...]:
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(counts, (self.test_targets, predicted), 1)
        return tuple(map(tuple, counts.tolist()))


@dataclass(frozen=True, kw_only=True)
class ClassificationScores:
    """The accuracy of a classifier; shares are in [0, 1].

    Attributes:
        top_1: Share of the test videos whose most probable class is theirs.
        top_5: Share of those with their class among the five most probable ones. None if the task
            has five classes or fewer.
        mean_class_accuracy: Mean accuracy over the classes that have test videos.
        class_accuracy: Accuracy of each of these classes.
        confusion: Rows are true classes and columns are predicted classes, in the order of
            ``classes``.
        classes: All labels.
        chance: Accuracy of a class drawn at random.
        majority: Accuracy of always predicting the most frequent class of the training videos.
        train_videos: Number of training videos.
        videos: Number of test videos; all of them count.
        absent: Test videos of the labels that cannot be used and do not count.
        protocol: The conditions of the evaluation in words.
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
        """Return the scores in percent and the protocol as text."""
        columns = {"top-1": self.top_1}
        if self.top_5 is not None:
            columns["top-5"] = self.top_5
        columns |= {
            "class mean": self.mean_class_accuracy,
            "chance": self.chance,
            "majority": self.majority,
        }
        sizes = f"{self.videos} test videos, {len(self.classes)} classes, "
        sizes += f"trained on {self.train_videos} videos"
        if self.absent:
            sizes += f"; {len(self.absent)} more test videos cannot be read and do not count"
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
