"""What an evaluation protocol takes and returns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from slic.datasets import Labels
from slic.errors import LabelError
from slic.models.encoder import VideoEncoder
from slic.videos.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class LabelledSplit:
    """The training and the test videos of a data set, with their labels.

    In retrieval the test videos are the queries and the training videos are the gallery.

    Attributes:
        train: Training videos.
        train_labels: One label for each of them.
        test: Test videos.
        test_labels: One label for each of them.
        absent_train: Ids that the labels list for training and that the catalog does not have.
        absent_test: The same for the test.
    """

    train: Catalog
    train_labels: list[str]
    test: Catalog
    test_labels: list[str]
    absent_train: tuple[str, ...] = ()
    absent_test: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """All absent ids, those of the test first."""
        return self.absent_test + self.absent_train


@runtime_checkable
class Scores(Protocol):
    """The result of a protocol."""

    @property
    def protocol(self) -> str:
        """The conditions of the evaluation in words, to print beside the numbers."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""

    def table(self) -> str:
        """Return the numbers and the protocol as text for a terminal."""


@runtime_checkable
class EvaluationProtocol(Protocol):
    """A way to score an encoder on a labelled split.

    A protocol is any object with this method. ``slic evaluate`` takes it by its name in
    `slic.evaluation.PROTOCOLS` or by its import path. Constructor arguments of a protocol class
    become options of the command if their type is int, float, str, Path, bool or Literal, also with
    ``| None``; the ``Args`` or ``Attributes`` of its docstring are their help. A protocol may also
    have:

    * ``description``: one line for the help, in place of the first line of the docstring.
    * ``seed``: seed of the random weights of ``--from-scratch``; 0 by default.
    * ``resumed(out, **settings)``: a class method that returns the protocol of the run folder
      ``out``. Its constructor takes ``out`` and ``resume``, and the command has no ``--cache``.
    """

    def score(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,
        progress: bool = True,
    ) -> Scores:
        """Return the scores of an encoder.

        Args:
            encoder: The encoder, in evaluation mode and on the device to use. It is not changed.
            split: Training and test videos with their labels.
            workers: Number of processes that decode; 0 decodes in this process.
            cache: Folder in which features may be kept between runs.
            progress: Show progress bars on stderr.

        Raises:
            ProtocolError: The protocol does not fit the encoder.
        """


AnyProtocol: TypeAlias = EvaluationProtocol | Callable[..., EvaluationProtocol]


def split_by_labels(
    catalog: Catalog, labels: Labels, *, train: str = "train", test: str = "test"
) -> LabelledSplit:
    """Split a catalog into training and test videos; videos of other splits are left out.

    Args:
        catalog: The usable videos.
        labels: Their labels and splits.
        train: Name of the split with the training videos, or the gallery.
        test: Name of the split with the test videos, or the queries.

    Raises:
        LabelError: Both names are the same, or the catalog has no video of a split.
        CatalogError: No video has such a split.
    """
    if train == test:
        raise LabelError(
            f"split {train!r} cannot be both the training part (gallery) and the test part "
            "(queries): every video would find itself. Name two different splits."
        )
    to_test, absent_test = _usable_videos(catalog, labels, test)
    to_train, absent_train = _usable_videos(catalog, labels, train)
    return LabelledSplit(
        train=to_train,
        train_labels=labels.labels_of(video.id for video in to_train),
        test=to_test,
        test_labels=labels.labels_of(video.id for video in to_test),
        absent_train=absent_train,
        absent_test=absent_test,
    )


def _usable_videos(catalog: Catalog, labels: Labels, split: str) -> tuple[Catalog, tuple[str, ...]]:
    """Return the usable videos of a split, and the ids of those that are absent."""
    ids, usable = labels.ids(split), {video.id for video in catalog}
    part = catalog.subset([video_id for video_id in ids if video_id in usable])
    if not part.videos:
        raise LabelError(
            f"{catalog.root}: none of the {len(ids)} videos of split {split!r} is usable there, "
            f"the first is {ids[0]!r}. Check that the labels belong to these videos."
        )
    return part, tuple(video_id for video_id in ids if video_id not in usable)
