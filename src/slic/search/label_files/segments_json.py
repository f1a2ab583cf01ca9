"""Our own JSON file: all that an index knows of its labels."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slic.errors import FormatError
from slic.files import read_json, write_atomically
from slic.search.label_files.base import IndexLabels, LabelRow
from slic.search.label_files.values import read_number, read_source, read_text

LABELS_FORMAT = 1
"""Version of the file. A file of another version is refused."""


class SegmentsJson:
    """A JSON file with ``format`` and ``labels``; see docs/reference/formats.md.

    It names contents by their digest, so it also carries labels to an index in which the files lie
    elsewhere, and keeps those whose content an index does not have.
    """

    title = "slic (JSON)"
    suffix = ".json"
    media_type = "application/json"
    keeps = "everything"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write all labelled segments."""
        content = {"format": LABELS_FORMAT, "labels": list(map(asdict, labels.labels))}
        write_json(path, content)
        return len(labels.labels)

    def read(self, path: Path) -> list[LabelRow]:
        """Return the segments.

        Raises:
            FormatError: The file has another version.
        """
        content = read_json(path)
        if (version := content["format"]) != LABELS_FORMAT:
            raise FormatError(
                f"{path}: the labels have format {version!r:.40}, this version of slic reads "
                f"format {LABELS_FORMAT}; write them again with `slic labels export`."
            )
        return [_row(entry, f"label {number}") for number, entry in enumerate(content["labels"], 1)]


def _row(entry: dict[str, Any], place: str) -> LabelRow:
    return LabelRow(
        paths=(read_text(entry["path"], f"{place}: path"),) if entry.get("path") else (),
        content_id=read_text(entry["content_id"], f"{place}: content_id"),
        label=read_text(entry["label"], f"{place}: label"),
        start=read_number(entry["start_seconds"], f"{place}: start_seconds"),
        end=read_number(entry["end_seconds"], f"{place}: end_seconds"),
        confidence=read_number(entry["confidence"], f"{place}: confidence"),
        source=read_source(entry["source"], place),
        place=place,
    )


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically. Letters of all languages stay readable.

    Raises:
        WriteError: The file cannot be written.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(path, text.encode(errors="surrogateescape"))
