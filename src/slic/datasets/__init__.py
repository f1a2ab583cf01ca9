"""Ground truth of data sets; evaluation reads it, pretraining cannot import it.

To add a data set, write a module with an object that satisfies `slic.datasets.base.Dataset` and add
a line to ``DATASETS``. Help texts are made from this table.
"""

from pathlib import Path

from slic.datasets.base import Dataset, Labeller
from slic.datasets.hmdb51 import HMDB51
from slic.datasets.kinetics400 import KINETICS400
from slic.datasets.labels import Labels
from slic.datasets.table import TABLE, read_labels
from slic.datasets.tree import TREE
from slic.datasets.ucf101 import UCF101
from slic.errors import LabelError
from slic.lookup import look_up

__all__ = ["DATASETS", "Dataset", "Labeller", "Labels", "labels_from", "read_labels", "sources_of"]

DATASETS: dict[str, Dataset] = {
    "ucf101": UCF101,
    "hmdb51": HMDB51,
    "kinetics400": KINETICS400,
    "table": TABLE,
    "tree": TREE,
}


def labels_from(source: str, *, root: Path, annotations: Path | None = None) -> Labeller:
    """Return the function that labels the videos of a folder.

    Official lists and label files are read at once; the videos need not be known yet.

    Args:
        source: ``name`` or ``name:argument``, where the name is a key of ``DATASETS`` or the import
            path of a class such as ``my_module.MySet``; or the path of a CSV file, which is
            short for ``table:FILE.csv``.
        root: Folder of videos. Official lists are searched in it and beside it.
        annotations: Folder of the official lists, if they are elsewhere.

    Returns:
        A function from video ids to `Labels`. It raises LabelError if no video has a label or two
        files are the same video.

    Raises:
        LabelError: The source or its argument is unknown, or lists are missing or damaged.

    Example:
        >>> labels = labels_from("ucf101:1", root=root)([video.id for video in catalog])
    """
    name, _, argument = source.partition(":")
    if name not in DATASETS and (Path(source).exists() or Path(source).suffix == ".csv"):
        name, argument = "table", source
    found = look_up(name, DATASETS, kind="data set", error=LabelError)
    dataset: Dataset = found() if isinstance(found, type) else found
    return dataset.labeller(argument, root=root, annotations=annotations)


def sources_of(name: str) -> tuple[str, ...]:
    """Return the sources that `labels_from` accepts for an entry of ``DATASETS``.

    Example:
        >>> sources_of("ucf101")
        ('ucf101:1', 'ucf101:2', 'ucf101:3')
    """
    return tuple(f"{name}:{word}" if word else name for word in DATASETS[name].arguments)
