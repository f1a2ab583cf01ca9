"""Labels in files: tables for other commands and tools, and files that carry labels to an index.

A CSV file has a row for each labelled video and can be used as the labels of an evaluation. A JSON
file, and a CSV file per segment, have everything that an index knows of its labels.
"""

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slic.datasets import read_labels
from slic.errors import FormatError, LabelError
from slic.files import id_of, write_atomically
from slic.search.index import Index
from slic.search.labels import list_labels, write_labels
from slic.search.repository.labels import Label, LabelValue, Segment
from slic.search.repository.videos import unique_paths

LABELS_FORMAT = 1
"""Version of the JSON file. A file of another version is refused."""

VIDEO_COLUMNS = ("path", "label", "labelled_seconds")
SEGMENT_COLUMNS = tuple(Label.__dataclass_fields__)


def export_labels(index: Index, path: Path, *, per_segment: bool = False) -> int:
    """Write the labels of an index to a file, or to a folder for FiftyOne.

    The suffix of ``path`` chooses the format:

    - ``.csv``: one row per labelled video, with the columns ``path`` and ``label``, which
      `slic.datasets` reads. A video has the label that covers most of its time; of equal ones,
      the first in alphabetical order. Videos without a label, and labels whose content the index
      does not have, are left out.
    - ``.json``: all labelled segments. `import_labels` reads them.
    - else: a folder with a ``FiftyOneTemporalDetectionDataset``. Labels whose content the index
      does not have are left out.

    Args:
        index: The index.
        path: What to write.
        per_segment: In a CSV file, write one row per labelled segment, with all that a JSON file
            has. `import_labels` reads it, but it is no table of video labels.

    Returns:
        The number of rows or labels.

    Raises:
        WriteError: The file cannot be written.
    """
    labels = list_labels(index)
    if path.suffix.lower() == ".csv":
        rows = list(map(asdict, labels)) if per_segment else video_rows(index, labels)
        columns = SEGMENT_COLUMNS if per_segment else VIDEO_COLUMNS
        write_atomically(path, _csv_text(columns, rows).encode())
        return len(rows)
    if path.suffix.lower() == ".json":
        _write_json(path, {"format": LABELS_FORMAT, "labels": list(map(asdict, labels))})
        return len(labels)
    return _write_fiftyone(index, labels, path)


def video_rows(index: Index, labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Return a row for each video with a label, in the order of paths.

    See `export_labels` for the label of a video. Its path is absolute where several videos of the
    index have the same path. ``labelled_seconds`` is the time that the label covers.
    """
    by_content: defaultdict[str, list[Label]] = defaultdict(list)
    for segment in labels:
        by_content[segment.content_id].append(segment)
    paths = index.database.read(unique_paths)
    rows = []
    for video in index.videos():
        ranges: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for segment in by_content[video.content_id]:
            ranges[segment.label].append((segment.start_seconds, segment.end_seconds))
        if seconds := {label: covered_seconds(parts) for label, parts in ranges.items()}:
            label = min(seconds, key=lambda label: (-seconds[label], label))
            values = (paths[video.id], label, round(seconds[label], 3))
            rows.append(dict(zip(VIDEO_COLUMNS, values, strict=True)))
    return rows


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


def import_labels(index: Index, path: Path) -> int:
    """Read labels from a file and set them as one change, which `undo_label_change` undoes.

    Args:
        index: The index.
        path: A JSON file, or a CSV file per segment, that `export_labels` wrote. Its labels are
            kept even for contents that the index does not have yet. Or a CSV file of video labels
            with the columns ``path`` and ``label``: each label is set on the whole video, for the
            videos of the index.

    Returns:
        The number of labelled segments or videos.

    Raises:
        LabelError: The file cannot be read, gives a video two labels, or has no video of the index.
        FormatError: The JSON file has another format version.
    """
    try:
        rows = _read_segments(path)
        labels = None if rows is None else [_segment_label(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise LabelError(
            f"{path}: cannot be read as labels ({reason}); a file that "
            "`slic labels export` wrote, or a CSV file with the columns path and label, is needed."
        ) from error
    return write_labels(index, _whole_videos(index, path) if labels is None else labels).moments


def _read_segments(path: Path) -> list[dict[str, Any]] | None:
    """Return the rows of a file of segments, or None for a CSV file of video labels."""
    text = path.read_text(encoding="utf-8-sig")  # Excel writes a byte order mark
    if path.suffix.lower() != ".json":
        reader = csv.DictReader(io.StringIO(text))
        return list(reader) if "content_id" in (reader.fieldnames or ()) else None
    content = json.loads(text)
    if (version := content["format"]) != LABELS_FORMAT:
        raise FormatError(
            f"{path}: the labels have format {version}, this version of slic reads format "
            f"{LABELS_FORMAT}; write them again with `slic labels export`."
        )
    rows: list[dict[str, Any]] = content["labels"]
    return rows


def _segment_label(row: dict[str, Any]) -> tuple[Segment, LabelValue]:
    segment = Segment(row["content_id"], float(row["start_seconds"]), float(row["end_seconds"]))
    value = LabelValue(row["label"], float(row["confidence"]), row["source"])
    if not (isinstance(segment.content_id, str) and isinstance(value.label, str)):
        raise ValueError(f"label {value.label!r} of {segment.content_id!r}")
    if not all(map(math.isfinite, (segment.start_seconds, segment.end_seconds, value.confidence))):
        raise ValueError(f"{value.label}: a number that is not finite")
    if value.source not in ("given", "spread"):
        raise ValueError(f"source {value.source!r}")
    return segment, value


def _whole_videos(index: Index, path: Path) -> list[tuple[Segment, LabelValue]]:
    """Return the labels that a table gives to whole videos of the index."""
    label_of = read_labels(path).label
    labels = [
        (Segment(v.content_id, 0.0, v.video.end_seconds), LabelValue(label_of[name], 1.0, "given"))
        for v in index.videos()
        for name in dict.fromkeys((v.path, id_of(v.file, path.parent)))
        if name in label_of
    ]
    if not labels:
        raise LabelError(
            f"{path}: none of its {len(label_of)} videos is in {index.path}; "
            "its paths must be relative to the indexed folder, or absolute."
        )
    return labels


def _csv_text(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_fiftyone(index: Index, labels: Sequence[Label], folder: Path) -> int:
    videos = {video.content_id: video for video in index.videos()}
    present = [label for label in labels if label.content_id in videos]
    classes = sorted({label.label for label in present})
    segments: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for label in present:
        times = [label.start_seconds, label.end_seconds]
        segments[label.content_id].append(
            {"label": classes.index(label.label), "timestamps": times}
        )
    _write_json(folder / "data.json", {digest: str(videos[digest].file) for digest in segments})
    _write_json(folder / "labels.json", {"classes": classes, "labels": segments})
    return len(present)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode())
