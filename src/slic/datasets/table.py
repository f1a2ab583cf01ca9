"""Labels and splits from a CSV file."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from slic.datasets.base import Labeller, refuse_annotations, require_labelled_videos
from slic.datasets.labels import Labels
from slic.errors import CatalogError, LabelError
from slic.files import read_csv
from slic.storage import id_and_path, location

Rows: TypeAlias = list[tuple[int, dict[str, str]]]


class LabelTable:
    """Labels from a CSV file with the columns ``path``, ``label`` and optionally ``split``.

    Example:
        >>> labels_from("table:labels.csv", root=root)
    """

    arguments = ("FILE.csv",)
    facts: Mapping[str, str] = {
        "layout": "a CSV file with the columns path,label[,split]; paths are relative to ROOT; "
        "other columns are ignored"
    }

    def labeller(self, argument: str, *, root: Path, annotations: Path | None = None) -> Labeller:
        """Read the file ``argument``.

        Raises:
            LabelError: See `read_labels`; or a folder of lists is given, which a file has not.
        """
        refuse_annotations(annotations, source=argument)
        labels = read_labels(argument)
        return lambda ids: require_labelled_videos(labels, ids, source=argument, root=root)


def read_labels(csv_path: Path | str) -> Labels:
    """Read labels from a CSV file.

    The columns ``path`` and ``label`` are required, ``split`` is optional, and others are ignored.
    A video may have several rows if they agree. In a table with ``start`` and ``end`` in seconds,
    such as `slic labels export` writes, they may differ: the label that covers most of the time
    counts, and of equal ones the first in alphabetical order.
    The ids are those that ``Catalog.from_list`` gives to the same file, so a list of videos can
    hold their labels too.

    Args:
        csv_path: File to read. Its paths may be relative to any folder of videos; absolute paths
            and paths with ``..`` are resolved from the folder of the file.

    Raises:
        LabelError: The file cannot be read, lacks a column, has an empty cell, or gives a video two
            labels or two splits.

    Example:
        >>> read_labels("labels.csv").labels_of(["train/0001.mp4"])
        ['walk']
    """
    path = location(csv_path)
    try:
        rows = read_csv(path, "path", "label", optional="split", blank=("start", "end"))
    except CatalogError as error:
        raise LabelError(str(error)) from error
    rows_of: defaultdict[str, Rows] = defaultdict(list)
    for line, row in rows:
        rows_of[id_and_path(row["path"], path.parent)[0]].append((line, row))
    timed = {"start", "end"} <= rows[0][1].keys()
    for video_id, found in rows_of.items():
        _require_agreement(path, video_id, found, ("split",) if timed else ("label", "split"))
    first = {video_id: found[0][1] for video_id, found in rows_of.items()}
    if timed:
        label = {video_id: _longest_label(path, found) for video_id, found in rows_of.items()}
    else:
        label = {video_id: row["label"] for video_id, row in first.items()}
    return Labels(label, {key: row["split"] for key, row in first.items() if "split" in row})


def _require_agreement(path: Path, video_id: str, rows: Rows, columns: Iterable[str]) -> None:
    first_line, first = rows[0]
    for line, row in rows[1:]:
        for column in columns:
            if row.get(column) != first.get(column):
                raise LabelError(
                    f"{path}: {video_id!r} has the {column} {first[column]!r} in line {first_line} "
                    f"and {row[column]!r} in line {line}. Keep one {column} for each video."
                )


def _longest_label(path: Path, rows: Rows) -> str:
    """Return the label that covers most of the time."""
    ranges: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line, row in rows:
        ranges[row["label"]].append(_range_of(row, f"{path}: line {line}"))
    return min(ranges, key=lambda label: (-covered_seconds(ranges[label]), label))


def covered_seconds(ranges: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of time ranges.

    Example:
        >>> covered_seconds([(0.0, 2.0), (1.0, 2.5)])
        2.5
    """
    total, end = 0.0, -math.inf
    for start, stop in sorted(ranges):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _range_of(row: Mapping[str, str], place: str) -> tuple[float, float]:
    """Return a range in seconds; without a start or an end, that of the whole video."""
    try:
        start, end = float(row["start"] or 0), float(row["end"] or "inf")
    except ValueError as error:
        raise LabelError(f"{place}: {error}; start and end are in seconds.") from error
    if not start < end:
        raise LabelError(f"{place}: the end {end:g} is not after the start {start:g}.")
    return start, end


TABLE = LabelTable()
