"""The table of labels and splits by video, and reading one from a CSV file."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slic.errors import CatalogError
from slic.files import id_of, read_csv


@dataclass(frozen=True)
class Labels:
    """The action of each video and, where one is told, its split.

    The keys are video ids: the path relative to the folder of the videos, with forward slashes, or
    the absolute path of a listed video outside that folder, as ``Catalog`` names them. A video that
    is listed and not there has its listed name.
    """

    label: Mapping[str, str]
    split: Mapping[str, str]

    def labels_of(self, ids: Iterable[str]) -> list[str]:
        """Return the labels of these videos in their order; a video without one is an error."""
        wanted = list(ids)
        missing = [name for name in wanted if name not in self.label]
        if missing:
            raise CatalogError(
                f"{len(missing)} of {len(wanted)} videos have no label, the first is "
                f"{missing[0]!r}. Add them to the labels or leave them out."
            )
        return [self.label[name] for name in wanted]

    def ids(self, split: str) -> tuple[str, ...]:
        """Return the ids of one split, in the order of the file."""
        chosen = tuple(video_id for video_id, name in self.split.items() if name == split)
        if not chosen:
            there = ", ".join(sorted(set(self.split.values()))) or "none: no column 'split'"
            raise CatalogError(f"no video is in split {split!r}; splits in the file: {there}.")
        return chosen

    def gaps(self, ids: Collection[str]) -> str | None:
        """Return one line on listed videos that are not among these, and on those without a label.

        None when labels and videos cover each other.
        """
        there = set(ids)
        missing = [name for name in self.label if name not in there]
        unlabelled = [name for name in ids if name not in self.label]
        said = []
        if missing:
            classes = {self.label[name] for name in there & self.label.keys()}
            gone = sorted({self.label[name] for name in missing} - classes)
            said.append(
                f"{len(missing)} of {len(self.label)} listed videos are not there or not "
                f"readable, the first is {missing[0]!r}"
                + (f", and all of {', '.join(gone)}" if gone else "")
            )
        if unlabelled:
            said.append(
                f"{len(unlabelled)} of {len(ids)} videos have no label and do not count, "
                f"the first is {unlabelled[0]!r}"
            )
        return "; ".join(said) + "." if said else None


def read_labels(csv_path: Path | str) -> Labels:
    """Read the columns ``path``, ``label`` and (if there) ``split``; others are ignored.

    The ids are those of ``Catalog.from_list`` of the same file; so a list of videos can hold their
    labels too. What is relative and stays below its folder fits any folder of videos.

    Raises:
        CatalogError: The file cannot be read, lacks a column, has a row without path or label, or
            two rows for one video.
    """
    path = Path(csv_path)
    label: dict[str, str] = {}
    split: dict[str, str] = {}
    for line, row in read_csv(path, "path", "label", optional="split"):
        video_id = id_of(row["path"], path.parent)
        if video_id in label:
            raise CatalogError(f"{path}: line {line}: {video_id!r} has a row already. Remove one.")
        label[video_id] = row["label"]
        if "split" in row:
            split[video_id] = row["split"]
    return Labels(label, split)
