"""Labels of moments: given by a person, spread to neighbours, undone, and found again.

A label belongs to a segment of a content (the content_id of a file, and seconds), not to a row of
the index. So it stays when the file is moved, leaves the index and comes back, or is indexed anew
with another window: a moment has the label of the nearest segment that covers most of it.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from typing import Literal, NamedTuple

from slic.errors import SearchError
from slic.search.filters import LABEL_OF_MOMENT, MIN_LABEL_COVERAGE
from slic.search.index import Index

Source = Literal["given", "spread"]
MAX_LABEL_CHARACTERS = 200
JOINERS = dict.fromkeys((0x200C, 0x200D))  # do not print, and belong to words and to pictures
BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Label:
    """A labelled segment; ``path`` is None while no video of the index has this content."""

    path: str | None
    content_id: str
    start_seconds: float
    end_seconds: float
    label: str
    confidence: float
    source: Source


_Value = tuple[str, float, Source]


class MomentLabel(NamedTuple):
    """What a moment is called, how surely, and who says so."""

    label: str
    confidence: float
    source: Source


class LabelChange(NamedTuple):
    """How many moments were labelled or lost their label, and the number of this change."""

    moments: int
    id: int


@dataclass(frozen=True)
class Segment:
    """A segment of a content, as labels have it."""

    content_id: str
    start_seconds: float
    end_seconds: float


def set_label(index: Index, moment_ids: Sequence[int], label: str | None) -> LabelChange:
    """Label moments, or take their labels away (None). `undo` takes it back.

    Raises:
        SearchError: A moment that is not there, or a label that is empty, too long or not printable.
    """
    segments = segments_of(index, list(dict.fromkeys(moment_ids)))
    given: _Value | None = None if label is None else (checked_label(label), 1.0, "given")
    with index.database.transaction() as connection:
        batch = _next_batch(connection)
        if given is None:
            labelled = [_covering(connection, segment) for segment in segments]
            for segment in dict.fromkeys(chain.from_iterable(labelled)):
                _change(connection, batch, segment, None)
            return LabelChange(sum(map(bool, labelled)), batch)
        for segment in segments:
            _change(connection, batch, segment, given)
    return LabelChange(len(segments), batch)


def undo_label_change(index: Index, *, change_id: int | None = None) -> int:
    """Take the last change, spreading or import back; return how many segments it had changed.

    Raises:
        SearchError: The last change is not the one of this number.
    """
    with index.database.transaction() as connection:
        (last,) = connection.execute("SELECT max(batch) FROM label_changes").fetchone()
        if change_id not in (None, last):
            raise SearchError("Labels have changed since; only the last change can be undone.")
        rows = connection.execute(
            "SELECT content_id, start_seconds, end_seconds, label, confidence, source"
            " FROM label_changes WHERE batch = ? ORDER BY rowid DESC",
            (last,),
        ).fetchall()
        for *segment, label, confidence, source in rows:
            value = None if label is None else (label, confidence, source)
            _write(connection, Segment(*segment), value)
        connection.execute("DELETE FROM label_changes WHERE batch = ?", (last,))
    return len(rows)


def list_labels(index: Index) -> list[Label]:
    """Return all labelled segments in the order of path and time."""
    rows = index.database.rows(
        "SELECT (SELECT min(v.path) FROM videos v WHERE v.content_id = n.content_id) AS path,"
        " n.content_id, n.start_seconds, n.end_seconds, n.label, n.confidence, n.source"
        " FROM labels n ORDER BY path, n.content_id, n.start_seconds, n.end_seconds"
    )
    fields = list(Label.__dataclass_fields__)
    return [Label(**dict(zip(fields, row, strict=True))) for row in rows]


def labels_of_moments(index: Index) -> dict[int, MomentLabel]:
    """Return the label of every moment that has one, by moment id."""
    rows = index.database.rows(
        f"SELECT m.id, ({LABEL_OF_MOMENT.format(column='label')}) AS label,"
        f" ({LABEL_OF_MOMENT.format(column='confidence')}),"
        f" ({LABEL_OF_MOMENT.format(column='source')})"
        " FROM moments m JOIN videos v ON v.id = m.video_id"
        " WHERE v.content_id IN (SELECT content_id FROM labels) AND label IS NOT NULL"
    )
    return {moment: MomentLabel(*values) for moment, *values in rows}


def write_labels(
    index: Index,
    entries: Iterable[tuple[Segment, str, float, Source]],
    *,
    instead_of_spread: bool = False,
) -> int:
    """Write labels in one transaction that `undo` takes back; return how many.

    With ``instead_of_spread``, all labels that were spread before go first.
    """
    count = 0
    with index.database.transaction() as connection:
        batch = _next_batch(connection)
        if instead_of_spread:
            old = connection.execute(
                "SELECT content_id, start_seconds, end_seconds FROM labels WHERE source = 'spread'"
            ).fetchall()
            for row in old:
                _change(connection, batch, Segment(*row), None)
        for segment, label, confidence, source in entries:
            _change(connection, batch, segment, (checked_label(label), confidence, source))
            count += 1
    return count


def checked_label(label: str) -> str:
    """Return a label without blanks around it, and with one space for those inside.

    Raises:
        SearchError: It is empty, longer than `MAX_LABEL_CHARACTERS`, or has characters that do not print.
    """
    label = " ".join(label.split())
    visible = label.translate(JOINERS)
    if not visible or len(label) > MAX_LABEL_CHARACTERS or not visible.isprintable():
        raise SearchError(
            f"the label {label[:40]!r}: 1 to {MAX_LABEL_CHARACTERS} printable characters are needed."
        )
    return label


def segments_of(index: Index, moment_ids: Sequence[int]) -> list[Segment]:
    """Return the segments of moments, in the order of their ids.

    Raises:
        SearchError: A moment that is not there.
    """
    moments = index.moments(moment_ids)
    content_ids = {video.id: video.content_id for video in index.videos()}
    return [
        Segment(content_ids[moment.video_id], moment.start_seconds, moment.end_seconds)
        for moment in moments
    ]


def _change(
    connection: sqlite3.Connection, batch: int, segment: Segment, value: _Value | None
) -> None:
    """Write a label, or none, and keep what stood there before."""
    before = connection.execute(
        "SELECT label, confidence, source FROM labels"
        " WHERE content_id = ? AND start_seconds = ? AND end_seconds = ?",
        astuple(segment),
    ).fetchone()
    connection.execute(
        "INSERT INTO label_changes VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch, *astuple(segment), *(before or (None, None, None))),
    )
    _write(connection, segment, value)


def _write(connection: sqlite3.Connection, segment: Segment, value: _Value | None) -> None:
    if value is None:
        connection.execute(
            "DELETE FROM labels WHERE content_id = ? AND start_seconds = ? AND end_seconds = ?",
            astuple(segment),
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)", (*astuple(segment), *value)
        )


def _next_batch(connection: sqlite3.Connection) -> int:
    """Return a number above all others that was never given before, also not to one undone."""
    (last,) = connection.execute("SELECT max(batch) FROM label_changes").fetchone()
    return max((last or 0) + 1, time.time_ns() // 1000)  # below 2**53, so a page can count it too


def _covering(connection: sqlite3.Connection, segment: Segment) -> list[Segment]:
    """Return the labelled segments that a moment of this segment may be called by."""
    rows = connection.execute(
        "SELECT content_id, start_seconds, end_seconds FROM labels WHERE content_id = ?1"
        f" AND min(end_seconds, ?3) - max(start_seconds, ?2) >= {MIN_LABEL_COVERAGE} * (?3 - ?2)",
        astuple(segment),
    )
    return [Segment(*row) for row in rows]
