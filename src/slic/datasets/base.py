"""What a data set has to provide: ground truth for the videos of a collection."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from slic.datasets.labels import Labels
from slic.errors import LabelError

Labeller = Callable[[Collection[str]], Labels]
"""Maps the ids of the videos that can be read to their labels."""


class Dataset(Protocol):
    """A source of ground truth.

    The table ``slic.datasets.DATASETS`` holds one instance of each. A class outside the package
    needs ``labeller`` only; the attributes describe the data set in help texts.

    Attributes:
        arguments: What may follow the name and a colon in a source, such as ``("1", "2", "3")`` for
            ``ucf101:1``; an empty string stands for the name alone.
        facts: Title and text of each line that describes the data set.
    """

    @property
    def arguments(self) -> tuple[str, ...]: ...  # noqa: D102 (described by the class)

    @property
    def facts(self) -> Mapping[str, str]: ...  # noqa: D102 (described by the class)

    def labeller(self, argument: str, *, root: Path, annotations: Path | None) -> Labeller:
        """Prepare to label videos.

        It is called before the videos are scanned, so that missing or damaged lists are reported
        early. The function that it returns is called with the ids that the scan found.

        Args:
            argument: What follows the name and a colon in the source; empty if there is no colon.
            root: Folder of videos.
            annotations: Folder of the official lists; None to search in and beside ``root``.

        Raises:
            LabelError: The argument is unknown, or lists are missing or damaged.
        """
        ...


def require_labelled_videos(
    labels: Labels, ids: Collection[str], *, source: str, root: Path
) -> Labels:
    """Return ``labels`` if at least one of the videos has a label.

    Args:
        labels: Labels to check.
        ids: Ids of the videos.
        source: Where the labels come from, for the message.
        root: Folder of the videos, for the message.

    Raises:
        LabelError: No video has a label.
    """
    if not labels.label.keys().isdisjoint(ids):
        return labels
    first = f", the first is {next(iter(labels.label))!r}" if labels.label else ""
    raise LabelError(
        f"{source}: none of its {len(labels.label)} labelled videos is in {root}{first}. "
        "Open the folder that its names are relative to."
    )


def refuse_annotations(annotations: Path | None, *, source: str) -> None:
    """Refuse a folder of official lists for a source that has none.

    Args:
        annotations: Folder that the caller gave, if any.
        source: The source, for the message.

    Raises:
        LabelError: ``annotations`` is given.
    """
    if annotations:
        raise LabelError(f"annotations {annotations}: {source} has no official lists.")
