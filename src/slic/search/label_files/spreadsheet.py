"""CSV files of labelled segments, which are also tables of ground truth."""

import csv
import io
from pathlib import Path

from slic.files import guard_cell, unguard_cell, write_atomically
from slic.search.label_files.base import IndexLabels, LabelRow
from slic.search.label_files.values import read_number, read_source, read_text

COLUMNS = ("path", "label", "start", "end", "source", "confidence")
# Files of earlier versions, by the columns that they call otherwise.
_OLD_COLUMNS = {"start_seconds": "start", "end_seconds": "end"}


class Spreadsheet:
    """A CSV file with one row per labelled segment, in UTF-8.

    The columns ``path`` and ``label`` are required. Without ``start`` and ``end`` a label holds for
    the whole video. A cell that a spreadsheet would run as a formula begins with an apostrophe, see
    `slic.files.guard_cell`. Semicolons and tabs are read as separators too, then with
    decimal commas, because spreadsheets of many countries write them.
    """

    title = "Spreadsheet (CSV)"
    suffix = ".csv"
    media_type = "text/csv"
    keeps = "path, label, exact times, source, confidence"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write a row for each labelled segment of each video."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        count = 0
        for video in labels.videos:
            for label in video.labels:
                cells = (guard_cell(video.path), guard_cell(label.label))
                times = (label.start_seconds, label.end_seconds)
                writer.writerow((*cells, *times, label.source, label.confidence))
                count += 1
        write_atomically(path, text.getvalue().encode(errors="surrogateescape"))
        return count

    def read(self, path: Path) -> list[LabelRow]:
        """Return the rows."""
        try:
            text = path.read_bytes().decode("utf-8-sig")  # Excel writes a byte order mark
        except UnicodeDecodeError as error:
            raise ValueError("it is not in UTF-8; save it as 'CSV UTF-8'") from error
        separator = _separator(text.split("\n", 1)[0])
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = [_OLD_COLUMNS.get(name, name) for name in names]
        for name in ("path", "label"):
            if name not in reader.fieldnames:
                raise ValueError(f"no column {name!r}; columns there: {', '.join(names) or 'none'}")
        return [_row(cells, f"line {reader.line_num}", comma=separator != ",") for cells in reader]


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def _row(cells: dict[str, str | None], place: str, *, comma: bool) -> LabelRow:
    path = unguard_cell(read_text(cells["path"], f"{place}: path"))
    start, end, confidence = (
        _number(cells.get(name), f"{place}: {name}", comma=comma)
        for name in ("start", "end", "confidence")
    )
    return LabelRow(
        paths=tuple(dict.fromkeys((path, path.strip()))),
        label=unguard_cell(read_text(cells["label"], f"{place}: label").strip()),
        start=start,
        end=end,
        source=read_source(cells.get("source") or None, place),
        confidence=1.0 if confidence is None else confidence,
        content_id=cells.get("content_id") or None,
        place=place,
    )


def _number(cell: str | None, place: str, *, comma: bool) -> float | None:
    text = (cell or "").strip()
    return read_number(text.replace(",", ".") if comma else text, place) if text else None
