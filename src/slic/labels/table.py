"""The table of labels and splits by video, and reading one from a CSV file."""

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slic.errors import CatalogError
from slic.files import id_of


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
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a byte order mark
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            _require_columns(path, columns)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path}: labels cannot be read ({error}).") from error
    return _labels_from_rows(path, rows, has_split="split" in columns)


def _labels_from_rows(
    path: Path, rows: Collection[tuple[int, dict[str, str | None]]], *, has_split: bool
) -> Labels:
    label: dict[str, str] = {}
    split: dict[str, str] = {}
    for line, row in rows:
        video_id = id_of(_cell(path, line, row, "path"), path.parent)
        if video_id in label:
            raise CatalogError(f"{path}: line {line}: {video_id!r} has a row already. Remove one.")
        label[video_id] = _cell(path, line, row, "label")
        if has_split:
            split[video_id] = _cell(path, line, row, "split")
    if not label:
        raise CatalogError(f"{path}: has a header but no rows.")
    return Labels(label, split)


def _require_columns(path: Path, columns: Collection[str]) -> None:
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        raise CatalogError(
            f"{path}: no column {' and no column '.join(map(repr, missing))}; "
            f"columns there: {', '.join(columns) or 'none'}."
        )


def _cell(path: Path, line: int, row: dict[str, str | None], column: str) -> str:
    value = (row[column] or "").strip()
    if not value:
        raise CatalogError(f"{path}: line {line}: column {column!r} is empty.")
    return value
