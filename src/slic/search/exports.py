"""Labels written to files that other tools read, and read back."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slic.errors import SearchError
from slic.files import write_atomically
from slic.search.index import Index
from slic.search.labels import Label, Segment, list_labels, write_labels

COLUMNS = tuple(Label.__dataclass_fields__)


def export_labels(index: Index, path: Path) -> int:
    """Write labels and return how many: a ``.csv``, a ``.json``, or else a FiftyOne folder.

    The folder holds a ``FiftyOneTemporalDetectionDataset``: ``data.json`` says where the videos
    lie, ``labels.json`` what is in them; videos that are not in the index now are left out.

    Raises:
        CheckpointError: The file cannot be written.
    """
    labels = list_labels(index)
    if path.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(label) for label in labels)
        write_atomically(path, text.getvalue().encode())
    elif path.suffix.lower() == ".json":
        write_atomically(path, json.dumps([asdict(label) for label in labels], indent=1).encode())
    else:
        return _write_fiftyone(index, labels, path)
    return len(labels)


def import_labels(index: Index, path: Path) -> int:
    """Read what `export_labels` wrote to a CSV or JSON file; return how many labels.

    They are kept for contents that the index does not have yet, too. `undo` takes them back.

    Raises:
        SearchError: The file cannot be read, or is not one of labels.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: list[dict[str, Any]] = (
            json.loads(text)
            if path.suffix.lower() == ".json"
            else list(csv.DictReader(io.StringIO(text)))
        )
        entries = [
            (
                Segment(row["content_id"], float(row["start_seconds"]), float(row["end_seconds"])),
                row["label"],
                float(row["confidence"]),
                row["source"],
            )
            for row in rows
        ]
        for part, word, confidence, source in entries:
            if not (isinstance(part.content_id, str) and isinstance(word, str)):
                raise ValueError(f"label {word!r} of {part.content_id!r}")
            if not all(map(math.isfinite, (part.start_seconds, part.end_seconds, confidence))):
                raise ValueError(f"{word}: a number that is not finite")
            if source not in ("given", "spread"):
                raise ValueError(f"source {source!r}")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise SearchError(
            f"{path}: these labels cannot be read ({error}); a CSV or JSON file that "
            "`slic labels --export` wrote is needed."
        ) from error
    return write_labels(index, entries)


def _write_fiftyone(index: Index, labels: Sequence[Label], folder: Path) -> int:
    videos = {video.content_id: video for video in index.videos()}
    there = [label for label in labels if label.content_id in videos]
    classes = sorted({label.label for label in there})
    segments: dict[str, list[dict[str, Any]]] = {}
    for label in there:
        segments.setdefault(label.content_id, []).append(
            {
                "label": classes.index(label.label),
                "timestamps": [label.start_seconds, label.end_seconds],
            }
        )
    data = {mark: str(videos[mark].file) for mark in segments}
    write_atomically(folder / "data.json", json.dumps(data, indent=1).encode())
    write_atomically(
        folder / "labels.json",
        json.dumps({"classes": classes, "labels": segments}, indent=1).encode(),
    )
    return len(there)
