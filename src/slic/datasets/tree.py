"""Labels that are told by the folders that the videos lie in."""

from collections.abc import Collection

from slic.datasets.table import Labels
from slic.errors import CatalogError

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def labels_of_tree(ids: Collection[str]) -> Labels:
    """Read ``<class>/...`` or ``<split>/<class>/...``; videos outside of a class have no label.

    Raises:
        CatalogError: Splits and classes lie beside each other, or there are not two classes.
    """
    within = {name: not name.startswith("/") for name in ids}  # the folder of the videos
    folders = {name: name.split("/")[:-1] if within[name] else [] for name in ids}
    tops = {parts[0] for parts in folders.values() if parts}
    splits = {top for top in tops if top.lower() in SPLITS}
    if splits and splits != tops:
        raise CatalogError(
            f"the folders {min(splits)!r} and {min(tops - splits)!r} lie beside each other, a "
            "split and a class. Give <split>/<class>/ or <class>/ for all, or a CSV file."
        )
    at = 1 if splits else 0
    label = {name: parts[at] for name, parts in folders.items() if len(parts) > at}
    if len(classes := set(label.values())) < 2:
        there = f"all {len(label)} lie in {classes.pop()!r}" if classes else "none is in a class"
        raise CatalogError(
            f"the folders of {len(ids)} videos tell no two classes ({there}). "
            "Open the folder that holds the class folders, or give a CSV file."
        )
    return Labels(label, {name: SPLITS[folders[name][0].lower()] for name in label if splits})
