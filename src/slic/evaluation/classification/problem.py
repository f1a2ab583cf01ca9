"""What is to be told apart: the videos of two splits and their classes as numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from slic.datasets import Labels
from slic.errors import CatalogError
from slic.videos.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A labelled training set and a labelled test set.

    Attributes:
        classes: Names in alphabetical order; a class is its place here.
        train: Videos to learn from.
        train_targets: Their classes.
        test: Videos to name, all of which count.
        test_targets: Their classes.
        absent: Ids of the test split that are not among the usable videos: refused or not there.
    """

    classes: tuple[str, ...]
    train: Catalog
    train_targets: Int64[np.ndarray, " n"]
    test: Catalog
    test_targets: Int64[np.ndarray, " m"]
    absent: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        """Accuracy of a class drawn at random."""
        return 1.0 / len(self.classes)

    @property
    def majority(self) -> float:
        """Accuracy of always naming the commonest class of the training videos."""
        commonest = np.bincount(self.train_targets).argmax()
        return float((self.test_targets == commonest).mean())


def split_videos(catalog: Catalog, labels: Labels, *, train: str, test: str) -> Problem:
    """Return the videos of both splits with their classes.

    Raises:
        CatalogError: A split is not there or has no usable video, both are one and the same, there
            is only one class, or a test video has a class that no training video has.
    """
    if train == test:
        raise CatalogError(
            f"the split {train!r} cannot be both learnt from and tested on; "
            "choose two with --train-split and --test-split."
        )
    to_learn, _ = _part(catalog, labels, train)
    to_test, absent = _part(catalog, labels, test)
    train_labels = labels.labels_of(video.id for video in to_learn)
    test_labels = labels.labels_of(video.id for video in to_test)
    classes = sorted(set(train_labels))
    if len(classes) < 2:
        raise CatalogError(f"split {train!r} has only the class {classes[0]!r}; give two or more.")
    if unknown := sorted(set(test_labels) - set(classes)):
        count = sum(label in unknown for label in test_labels)
        raise CatalogError(
            f"{count} videos of split {test!r} have a class without a training video in split "
            f"{train!r}, the first is {unknown[0]!r}. Add training videos or leave those out."
        )
    return Problem(
        classes=tuple(classes),
        train=to_learn,
        train_targets=np.searchsorted(classes, train_labels).astype(np.int64),
        test=to_test,
        test_targets=np.searchsorted(classes, test_labels).astype(np.int64),
        absent=absent,
    )


def _part(catalog: Catalog, labels: Labels, split: str) -> tuple[Catalog, tuple[str, ...]]:
    """Return the usable videos of a split, and the ids of it that are not usable."""
    ids, usable = labels.ids(split), {video.id for video in catalog}
    part = catalog.subset([name for name in ids if name in usable])
    if not part.videos:
        raise CatalogError(
            f"{catalog.root}: none of the {len(ids)} videos of split {split!r} is usable there, "
            f"the first is {ids[0]!r}. Are the labels those of these videos?"
        )
    return part, tuple(name for name in ids if name not in usable)
