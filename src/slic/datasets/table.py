"""Labels and splits from a CSV file."""

from collections.abc import Mapping
from pathlib import Path

from slic.datasets.base import Labeller, refuse_annotations, require_labelled_videos
from slic.datasets.labels import Labels
from slic.errors import CatalogError, LabelError
from slic.files import id_of, read_csv


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
    A video may have several rows, as in an export of the labels of moments, if they agree.
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
    path = Path(csv_path)
    try:
        rows = read_csv(path, "path", "label", optional="split")
    except CatalogError as error:
        raise LabelError(str(error)) from error
    first_rows: dict[str, tuple[int, dict[str, str]]] = {}
    for line, row in rows:
        video_id = id_of(row["path"], path.parent)
        first_line, first = first_rows.setdefault(video_id, (line, row))
        for column in ("label", "split"):
            if row.get(column) != first.get(column):
                raise LabelError(
                    f"{path}: {video_id!r} has the {column} {first[column]!r} in line {first_line} "
                    f"and {row[column]!r} in line {line}. Keep one {column} for each video."
                )
    return Labels(
        {video_id: row["label"] for video_id, (_, row) in first_rows.items()},
        {video_id: row["split"] for video_id, (_, row) in first_rows.items() if "split" in row},
    )


TABLE = LabelTable()
