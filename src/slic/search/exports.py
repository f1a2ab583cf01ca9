"""Names written to files that other tools read, and read back."""

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
from slic.search.labels import Name, Stretch, list_names, write_names

COLUMNS = tuple(Name.__dataclass_fields__)


def export_names(index: Index, path: Path) -> int:
    """Write names and return how many: a ``.csv``, a ``.json``, or else a FiftyOne folder.

    The folder holds a ``FiftyOneTemporalDetectionDataset``: ``data.json`` says where the videos
    lie, ``labels.json`` what is in them; videos that are not in the index now are left out.

    Raises:
        CheckpointError: The file cannot be written.
    """
    names = list_names(index)
    if path.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(name) for name in names)
        write_atomically(path, text.getvalue().encode())
    elif path.suffix.lower() == ".json":
        write_atomically(path, json.dumps([asdict(name) for name in names], indent=1).encode())
    else:
        return _write_fiftyone(index, names, path)
    return len(names)


def import_names(index: Index, path: Path) -> int:
    """Read what `export_names` wrote to a CSV or JSON file; return how many names.

    They are kept for contents that the index does not have yet, too. `undo` takes them back.

    Raises:
        SearchError: The file cannot be read, or is not one of names.
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
                Stretch(row["fingerprint"], float(row["start_seconds"]), float(row["end_seconds"])),
                row["name"],
                float(row["confidence"]),
                row["source"],
            )
            for row in rows
        ]
        for part, word, confidence, source in entries:
            if not (isinstance(part.fingerprint, str) and isinstance(word, str)):
                raise ValueError(f"name {word!r} of {part.fingerprint!r}")
            if not all(map(math.isfinite, (part.start_seconds, part.end_seconds, confidence))):
                raise ValueError(f"{word}: a number that is not finite")
            if source not in ("given", "spread"):
                raise ValueError(f"source {source!r}")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise SearchError(
            f"{path}: these names cannot be read ({error}); a CSV or JSON file that "
            "`slic names --export` wrote is needed."
        ) from error
    return write_names(index, entries)


def _write_fiftyone(index: Index, names: Sequence[Name], folder: Path) -> int:
    videos = {video.fingerprint: video for video in index.videos()}
    there = [name for name in names if name.fingerprint in videos]
    classes = sorted({name.name for name in there})
    labels: dict[str, list[dict[str, Any]]] = {}
    for name in there:
        labels.setdefault(name.fingerprint, []).append(
            {
                "label": classes.index(name.name),
                "timestamps": [name.start_seconds, name.end_seconds],
            }
        )
    data = {mark: str(videos[mark].file) for mark in labels}
    write_atomically(folder / "data.json", json.dumps(data, indent=1).encode())
    write_atomically(
        folder / "labels.json",
        json.dumps({"classes": classes, "labels": labels}, indent=1).encode(),
    )
    return len(there)
