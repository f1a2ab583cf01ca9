"""Write the labels of an index to a file, in one of the formats of `LABEL_FILES`."""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from slic.files import atomic_path
from slic.search.index import Index
from slic.search.label_files.base import (
    IndexLabels,
    LabelFile,
    LabelledVideo,
    is_folder_format,
)
from slic.search.label_files.table import format_by_suffix, label_file
from slic.search.labels import list_labels
from slic.search.repository.labels import Label
from slic.search.repository.videos import unique_paths


def export_labels(index: Index, path: str | Path, *, format: str | None = None) -> int:  # noqa: A002
    """Write the labels of an index to a file or folder.

    Labels whose content the index does not have are left out, except in the format ``slic``.

    Args:
        index: The index.
        path: What to write. A format that is a folder is zipped if the path ends in ``.zip``.
        format: Name of a format in `LABEL_FILES`, or the import path of a `LabelFile`; None lets
            the suffix of ``path`` decide.

    Returns:
        The number of labels in the file.

    Raises:
        LabelError: The format is unknown, or the suffix does not tell it.
        WriteError: The file cannot be written.

    Example:
        >>> export_labels(index, "labels.csv")
        12
    """
    path = Path(path)
    file = label_file(format) if format else format_by_suffix(path)
    labels = collect_labels(index)
    if is_folder_format(file) and path.suffix.lower() == ".zip":
        return _write_zip(file, labels, path)
    return file.write(labels, path)


def collect_labels(index: Index) -> IndexLabels:
    """Return the labels of an index by video."""
    labels = list_labels(index)
    by_content: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_content[label.content_id].append(label)
    paths = index.database.read(unique_paths)
    videos = [
        LabelledVideo(path=paths[v.id], video=v.video, labels=by_content[v.content_id])
        for v in index.videos()
        if v.content_id in by_content
    ]
    return IndexLabels(videos=videos, labels=labels)


def _write_zip(file: LabelFile, labels: IndexLabels, path: Path) -> int:
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "labels")
        folder.mkdir()
        count = file.write(labels, folder)
        shutil.copyfile(shutil.make_archive(str(folder), "zip", folder), temporary)
    return count
