"""The tables of labels and of their changes, and which label a moment has.

A label belongs to a segment: a content and a time range. So it stays when a file is moved, leaves
the index and returns, or is indexed again with another window. A moment has the label of the
nearest segment of its content that covers at least `MIN_LABEL_COVERAGE` of it. Neighbouring moments
overlap by half, by default, and so do not share a label.
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from slic.search.repository.rows import as_objects, require_values

MIN_LABEL_COVERAGE = 0.6
_LABEL_OF_MOMENT = f"""
    SELECT {{column}} FROM (
        SELECT l.{{column}} AS {{column}}, l.start_seconds AS labelled_from,
            abs(l.start_seconds - m.start_seconds) + abs(l.end_seconds - m.end_seconds) AS distance
        FROM labels l
        WHERE l.content_id = v.content_id
          AND min(l.end_seconds, m.end_seconds) - max(l.start_seconds, m.start_seconds)
              >= {MIN_LABEL_COVERAGE} * (m.end_seconds - m.start_seconds)
    ) ORDER BY distance, labelled_from LIMIT 1
"""

LabelSource = Literal["given", "spread"]


class Segment(NamedTuple):
    """A time range of a content.

    Attributes:
        content_id: Digest of the content.
        start_seconds: Start, from the start of the content.
        end_seconds: End, from the start of the content.
    """

    content_id: str
    start_seconds: float
    end_seconds: float


class LabelValue(NamedTuple):
    """The label of a segment or moment.

    Attributes:
        label: The class name.
        confidence: 1 where a person gave it; below 1 where the classifier did.
        source: ``"given"`` by a person, or ``"spread"`` by `slic.search.spread_labels`.
    """

    label: str
    confidence: float
    source: LabelSource


@dataclass(frozen=True, kw_only=True)
class Label:
    """A labelled segment.

    Attributes:
        path: A video with this content; None while the index has none.
        content_id: Digest of the content.
        start_seconds: Start of the segment.
        end_seconds: End of the segment.
        label: The class name.
        confidence: In [0, 1]; 1 where a person gave the label.
        source: ``"given"`` or ``"spread"``.
    """

    path: str | None
    content_id: str
    start_seconds: float
    end_seconds: float
    label: str
    confidence: float
    source: LabelSource


def label_value(label: Any, confidence: Any, source: Any) -> LabelValue:
    """Return the label that a row has.

    Raises:
        DamagedRowError: A column is null.
    """
    require_values(label, confidence, source)
    return LabelValue(label, confidence, source)


def label_of_moment(column: str) -> str:
    """Return the SQL of a column of the label of moment ``m`` of video ``v``."""
    return f"({_LABEL_OF_MOMENT.format(column=column)})"


def select_labels(connection: sqlite3.Connection) -> list[Label]:
    """Return all labelled segments in the order of path and time."""
    rows = connection.execute(
        "SELECT (SELECT min(v.path) FROM videos v WHERE v.content_id = l.content_id) AS path,"
        " l.content_id, l.start_seconds, l.end_seconds, l.label, l.confidence, l.source"
        " FROM labels l ORDER BY path, l.content_id, l.start_seconds, l.end_seconds"
    )
    return as_objects(Label, rows)


def select_labels_of_moments(connection: sqlite3.Connection) -> dict[int, LabelValue]:
    """Return the label of every moment that has one, by moment id."""
    columns = ", ".join(f"{label_of_moment(name)} AS {name}" for name in LabelValue._fields)
    rows = connection.execute(
        f"SELECT m.id, {columns} FROM moments m JOIN videos v ON v.id = m.video_id"
        " WHERE v.content_id IN (SELECT content_id FROM labels)"
    )
    return {moment: label_value(*values) for moment, *values in rows if values[0] is not None}


def select_spread_segments(connection: sqlite3.Connection) -> list[Segment]:
    """Return the segments whose label was spread."""
    rows = connection.execute(
        "SELECT content_id, start_seconds, end_seconds FROM labels WHERE source = 'spread'"
    )
    return [Segment(*row) for row in rows]


def select_covering_segments(connection: sqlite3.Connection, segment: Segment) -> list[Segment]:
    """Return the labelled segments that cover enough of a moment to give it their label.

    Args:
        connection: A connection of the index.
        segment: The content and times of the moment.
    """
    rows = connection.execute(
        "SELECT content_id, start_seconds, end_seconds FROM labels WHERE content_id = ?1 AND"
        f" min(end_seconds, ?3) - max(start_seconds, ?2) >= {MIN_LABEL_COVERAGE} * (?3 - ?2)",
        segment,
    )
    return [Segment(*row) for row in rows]


def last_change_id(connection: sqlite3.Connection) -> int | None:
    """Return the id of the last change that was not undone."""
    (last,) = connection.execute("SELECT max(change_id) AS change_id FROM label_changes").fetchone()
    return None if last is None else int(last)


def next_change_id(connection: sqlite3.Connection) -> int:
    """Return an id above all others. An id is never reused, even after its change was undone."""
    microseconds = time.time_ns() // 1000  # below 2**53, the largest integer of JavaScript
    return max((last_change_id(connection) or 0) + 1, microseconds)


def change_label(
    connection: sqlite3.Connection, change_id: int, segment: Segment, value: LabelValue | None
) -> None:
    """Write or delete the label of a segment, and record the previous one for undo.

    Args:
        connection: A connection of the index, in a transaction.
        change_id: The change that this is a part of, from `next_change_id`.
        segment: The segment.
        value: Its label; None deletes.
    """
    before = connection.execute(
        "SELECT label, confidence, source FROM labels"
        " WHERE content_id = ? AND start_seconds = ? AND end_seconds = ?",
        segment,
    ).fetchone()
    connection.execute(
        "INSERT INTO label_changes VALUES (?, ?, ?, ?, ?, ?, ?)",
        (change_id, *segment, *(before or (None, None, None))),
    )
    _write_label(connection, segment, value)


def revert_change(connection: sqlite3.Connection, change_id: int | None) -> int:
    """Restore what a change replaced, and forget the change.

    Args:
        connection: A connection of the index, in a transaction.
        change_id: The change; nothing is done for None.

    Returns:
        The number of segments that were restored.
    """
    rows = connection.execute(
        "SELECT content_id, start_seconds, end_seconds, label, confidence, source"
        " FROM label_changes WHERE change_id = ? ORDER BY rowid DESC",
        (change_id,),
    ).fetchall()
    for content_id, start, end, label, *rest in rows:
        value = None if label is None else label_value(label, *rest)
        _write_label(connection, Segment(content_id, start, end), value)
    connection.execute("DELETE FROM label_changes WHERE change_id = ?", (change_id,))
    return len(rows)


def _write_label(
    connection: sqlite3.Connection, segment: Segment, value: LabelValue | None
) -> None:
    if value is None:
        connection.execute(
            "DELETE FROM labels WHERE content_id = ? AND start_seconds = ? AND end_seconds = ?",
            segment,
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)", (*segment, *value)
        )
