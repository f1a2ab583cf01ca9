"""Names of moments: given by a person, spread to neighbours, undone, and found again.

A name belongs to a stretch of a content (the fingerprint of a file, and seconds), not to a row of
the index. So it stays when the file is moved, leaves the index and comes back, or is indexed anew
with another window: a moment has the name of the nearest stretch that covers most of it.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from typing import Literal, NamedTuple

from slic.errors import SearchError
from slic.search.filters import NAME_COVERS, NAME_OF_MOMENT
from slic.search.index import Index

Source = Literal["given", "spread"]
LONGEST_NAME = 200
JOINERS = dict.fromkeys((0x200C, 0x200D))  # do not print, and belong to words and to pictures
BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Name:
    """A named stretch; ``path`` is None while no video of the index has this content."""

    path: str | None
    fingerprint: str
    start_seconds: float
    end_seconds: float
    name: str
    confidence: float
    source: Source


_Value = tuple[str, float, Source]


class NameOfMoment(NamedTuple):
    """What a moment is called, how surely, and who says so."""

    name: str
    confidence: float
    source: Source


class Naming(NamedTuple):
    """How many moments were named or lost their name, and the number of this change."""

    moments: int
    batch: int


@dataclass(frozen=True)
class Stretch:
    """A stretch of a content, as names have it."""

    fingerprint: str
    start_seconds: float
    end_seconds: float


def assign_name(index: Index, moment_ids: Sequence[int], name: str | None) -> Naming:
    """Name moments, or take their names away (None). `undo` takes it back.

    Raises:
        SearchError: A moment that is not there, or a name that is empty, too long or not printable.
    """
    stretches = stretches_of(index, list(dict.fromkeys(moment_ids)))
    given: _Value | None = None if name is None else (checked_name(name), 1.0, "given")
    with index.database.transaction() as connection:
        batch = _next_batch(connection)
        if given is None:
            named = [_covering(connection, stretch) for stretch in stretches]
            for stretch in dict.fromkeys(chain.from_iterable(named)):
                _change(connection, batch, stretch, None)
            return Naming(sum(map(bool, named)), batch)
        for stretch in stretches:
            _change(connection, batch, stretch, given)
    return Naming(len(stretches), batch)


def undo(index: Index, *, batch: int | None = None) -> int:
    """Take the last naming, spreading or import back; return how many stretches it had changed.

    Raises:
        SearchError: The last change is not the one of this number.
    """
    with index.database.transaction() as connection:
        (last,) = connection.execute("SELECT max(batch) FROM name_changes").fetchone()
        if batch not in (None, last):
            raise SearchError("Names have changed since; only the last change can be undone.")
        rows = connection.execute(
            "SELECT fingerprint, start_seconds, end_seconds, name, confidence, source"
            " FROM name_changes WHERE batch = ? ORDER BY rowid DESC",
            (last,),
        ).fetchall()
        for *stretch, name, confidence, source in rows:
            value = None if name is None else (name, confidence, source)
            _write(connection, Stretch(*stretch), value)
        connection.execute("DELETE FROM name_changes WHERE batch = ?", (last,))
    return len(rows)


def list_names(index: Index) -> list[Name]:
    """Return all named stretches in the order of path and time."""
    rows = index.database.rows(
        "SELECT (SELECT min(v.path) FROM videos v WHERE v.fingerprint = n.fingerprint) AS path,"
        " n.fingerprint, n.start_seconds, n.end_seconds, n.name, n.confidence, n.source"
        " FROM names n ORDER BY path, n.fingerprint, n.start_seconds, n.end_seconds"
    )
    fields = list(Name.__dataclass_fields__)
    return [Name(**dict(zip(fields, row, strict=True))) for row in rows]


def names_of_moments(index: Index) -> dict[int, NameOfMoment]:
    """Return the name of every moment that has one, by moment id."""
    rows = index.database.rows(
        f"SELECT m.id, ({NAME_OF_MOMENT.format(column='name')}) AS name,"
        f" ({NAME_OF_MOMENT.format(column='confidence')}),"
        f" ({NAME_OF_MOMENT.format(column='source')})"
        " FROM moments m JOIN videos v ON v.id = m.video_id"
        " WHERE v.fingerprint IN (SELECT fingerprint FROM names) AND name IS NOT NULL"
    )
    return {moment: NameOfMoment(*values) for moment, *values in rows}


def write_names(
    index: Index,
    entries: Iterable[tuple[Stretch, str, float, Source]],
    *,
    instead_of_spread: bool = False,
) -> int:
    """Write names in one transaction that `undo` takes back; return how many.

    With ``instead_of_spread``, all names that were spread before go first.
    """
    count = 0
    with index.database.transaction() as connection:
        batch = _next_batch(connection)
        if instead_of_spread:
            old = connection.execute(
                "SELECT fingerprint, start_seconds, end_seconds FROM names WHERE source = 'spread'"
            ).fetchall()
            for row in old:
                _change(connection, batch, Stretch(*row), None)
        for stretch, name, confidence, source in entries:
            _change(connection, batch, stretch, (checked_name(name), confidence, source))
            count += 1
    return count


def checked_name(name: str) -> str:
    """Return a name without blanks around it, and with one space for those inside.

    Raises:
        SearchError: It is empty, longer than `LONGEST_NAME`, or has characters that do not print.
    """
    name = " ".join(name.split())
    visible = name.translate(JOINERS)
    if not visible or len(name) > LONGEST_NAME or not visible.isprintable():
        raise SearchError(
            f"the name {name[:40]!r}: 1 to {LONGEST_NAME} printable characters are needed."
        )
    return name


def stretches_of(index: Index, moment_ids: Sequence[int]) -> list[Stretch]:
    """Return the stretches of moments, in the order of their ids.

    Raises:
        SearchError: A moment that is not there.
    """
    moments = index.moments(moment_ids)
    fingerprints = {video.id: video.fingerprint for video in index.videos()}
    return [
        Stretch(fingerprints[moment.video_id], moment.start_seconds, moment.end_seconds)
        for moment in moments
    ]


def _change(
    connection: sqlite3.Connection, batch: int, stretch: Stretch, value: _Value | None
) -> None:
    """Write a name, or none, and keep what stood there before."""
    before = connection.execute(
        "SELECT name, confidence, source FROM names"
        " WHERE fingerprint = ? AND start_seconds = ? AND end_seconds = ?",
        astuple(stretch),
    ).fetchone()
    connection.execute(
        "INSERT INTO name_changes VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch, *astuple(stretch), *(before or (None, None, None))),
    )
    _write(connection, stretch, value)


def _write(connection: sqlite3.Connection, stretch: Stretch, value: _Value | None) -> None:
    if value is None:
        connection.execute(
            "DELETE FROM names WHERE fingerprint = ? AND start_seconds = ? AND end_seconds = ?",
            astuple(stretch),
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?)", (*astuple(stretch), *value)
        )


def _next_batch(connection: sqlite3.Connection) -> int:
    """Return a number above all others that was never given before, also not to one undone."""
    (last,) = connection.execute("SELECT max(batch) FROM name_changes").fetchone()
    return max((last or 0) + 1, time.time_ns() // 1000)  # below 2**53, so a page can count it too


def _covering(connection: sqlite3.Connection, stretch: Stretch) -> list[Stretch]:
    """Return the named stretches that a moment of this stretch may be called by."""
    rows = connection.execute(
        "SELECT fingerprint, start_seconds, end_seconds FROM names WHERE fingerprint = ?1"
        f" AND min(end_seconds, ?3) - max(start_seconds, ?2) >= {NAME_COVERS} * (?3 - ?2)",
        astuple(stretch),
    )
    return [Stretch(*row) for row in rows]
