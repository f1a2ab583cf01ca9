"""Labels and splits from the folders that contain the videos."""

from collections.abc import Collection, Mapping
from pathlib import Path

from slic.datasets.base import Labeller, refuse_annotations
from slic.datasets.labels import Labels
from slic.errors import LabelError

_SPLIT_OF_FOLDER = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class ClassFolders:
    """Labels from folders: one for each class, optionally below one for each split.

    Example:
        >>> labels_from("tree", root=root)(["walk/a.mp4", "run/b.mp4"])
    """

    arguments = ("",)
    facts: Mapping[str, str] = {"layout": "ROOT/[train|val|test/]<class>/<video>"}

    def labeller(
        self,
        argument: str,
        *,
        root: Path,  # noqa: ARG002 (of the protocol)
        annotations: Path | None = None,
    ) -> Labeller:
        """Return `labels_of_tree`.

        Raises:
            LabelError: There is an argument or a folder of lists; a tree has neither.
        """
        refuse_annotations(annotations, source="tree")
        if argument:
            raise LabelError(f"tree:{argument}: labels from folders have no variants; use 'tree'.")
        return labels_of_tree


def labels_of_tree(ids: Collection[str]) -> Labels:
    """Read labels from paths such as ``<class>/...`` or ``<split>/<class>/...``.

    A folder is a split if it is called train, val or test, or a longer form of these words.
    A video outside of all class folders has no label.

    Args:
        ids: Video ids. Absolute paths are of listed videos outside the folder of videos.

    Raises:
        LabelError: Splits and classes are siblings, or there are fewer than two classes.

    Example:
        >>> labels_of_tree(["train/walk/a.mp4", "test/run/b.mp4"]).split
        {'train/walk/a.mp4': 'train', 'test/run/b.mp4': 'test'}
    """
    folders = {name: [] if name.startswith("/") else name.split("/")[:-1] for name in ids}
    top_folders = {parts[0] for parts in folders.values() if parts}
    splits = {folder for folder in top_folders if folder.lower() in _SPLIT_OF_FOLDER}
    if splits and splits != top_folders:
        raise LabelError(
            f"the folders {min(splits)!r} and {min(top_folders - splits)!r} are siblings, "
            "but the first is a split and the second a class. Use <split>/<class>/ or <class>/ for "
            "all videos, or a CSV file."
        )
    depth = 1 if splits else 0
    label = {name: parts[depth] for name, parts in folders.items() if len(parts) > depth}
    if len(classes := set(label.values())) < 2:
        found = f"all {len(label)} are in {classes.pop()!r}" if classes else "none is in a class"
        raise LabelError(
            f"the folders of {len(ids)} videos do not give two classes ({found}). "
            "Open the folder that contains the class folders, or use a CSV file."
        )
    split = {name: _SPLIT_OF_FOLDER[folders[name][0].lower()] for name in label if splits}
    return Labels(label, split)


TREE = ClassFolders()
