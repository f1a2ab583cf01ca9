"""``--where``: an expression over a few columns, compiled by SQLite and kept from anything else.

The text is never trusted: it is compiled on a connection that cannot write, and an authorizer
denies every table, function, subquery and statement but those listed here; what takes too long is
broken off. So it may come from a web page.
"""

import sqlite3
import time
from contextlib import closing

import numpy as np
from jaxtyping import Int64

from slic.errors import SearchError
from slic.search.repository import Database, is_of_the_file, reported

COLUMNS = (
    "path", "video_id", "start_seconds", "end_seconds", "duration", "label", "confidence", "cluster",
)  # fmt: skip
FUNCTIONS = frozenset(
    {"like", "glob", "lower", "upper", "length", "abs", "round", "instr", "min", "max"}
)
LONGEST_EXPRESSION = 2000
LONGEST_SECONDS = 5.0
STEPS_BETWEEN_LOOKS = 10_000

# The label of a moment is that of the labelled segment of its video that lies nearest to it and covers
# at least so much of it. So labels outlive another window or stride, and the moments beside a labelled
# one, which share half of it by default, are not labelled too. See `slic.search.labels`.
MIN_LABEL_COVERAGE = 0.6
LABEL_OF_MOMENT = f"""
    SELECT {{column}} FROM (
        SELECT n.{{column}} AS {{column}}, n.start_seconds AS labelled_from,
            abs(n.start_seconds - m.start_seconds) + abs(n.end_seconds - m.end_seconds) AS beside
        FROM labels n
        WHERE n.content_id = v.content_id
          AND min(n.end_seconds, m.end_seconds) - max(n.start_seconds, m.start_seconds)
              >= {MIN_LABEL_COVERAGE} * (m.end_seconds - m.start_seconds)
    ) ORDER BY beside, labelled_from LIMIT 1
"""
_SEARCHABLE = f"""
    SELECT m.id AS id, v.path AS path, v.id AS video_id, m.start_seconds AS start_seconds,
        m.end_seconds AS end_seconds, v.frames / v.fps AS duration,
        ({LABEL_OF_MOMENT.format(column="label")}) AS label,
        ({LABEL_OF_MOMENT.format(column="confidence")}) AS confidence,
        (SELECT t.cluster FROM tree t WHERE t.leaf = m.leaf AND t.level = :level) AS cluster
    FROM moments m JOIN videos v ON v.id = m.video_id
"""
# What an expression can find out at most: not where the files lie, no embedding. The empty column
# stands for the mere number of rows.
_READABLE = {
    "searchable": {"", *COLUMNS, "id"},
    "moments": {"", "id", "video_id", "start_seconds", "end_seconds", "leaf"},
    "videos": {"", "id", "path", "frames", "fps", "content_id"},
    "labels": {"", "content_id", "start_seconds", "end_seconds", "label", "confidence"},
    "tree": {"", "leaf", "level", "cluster"},
}


def matching_moments(database: Database, where: str, *, level: int) -> Int64[np.ndarray, " n"]:
    """Return the ids, ascending, of the moments for which an expression is true.

    Args:
        database: The index's.
        where: For instance ``path like 'a/%' and duration > 3``; of `COLUMNS`, numbers, texts in
            single quotes, the operators of SQLite and `FUNCTIONS`.
        level: Which partition the column ``cluster`` is of.

    Raises:
        SearchError: The expression is none, asks for something else, or takes too long; or the
            database is damaged.
    """
    if len(where) > LONGEST_EXPRESSION:
        raise _refused(where, f"it is longer than {LONGEST_EXPRESSION} characters")
    with reported(database.path), closing(database.read_only()) as connection:
        try:
            return _guarded(connection, where, level)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # null bytes, two statements
            if is_of_the_file(error):
                raise
            too_long = str(error) == "interrupted"
            reason = f"it takes more than {LONGEST_SECONDS:g} s" if too_long else str(error)
            raise _refused(where, reason) from error


def _guarded(connection: sqlite3.Connection, where: str, level: int) -> Int64[np.ndarray, " n"]:
    deadline = time.monotonic() + LONGEST_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
    connection.set_authorizer(_verdict)
    # The line break ends a comment that the expression may have begun.
    statement = f"WITH searchable AS ({_SEARCHABLE}) SELECT id FROM searchable WHERE ({where}\n)"
    rows = connection.execute(statement, {"level": level}).fetchall()
    return np.unique(np.array([row[0] for row in rows], dtype=np.int64))


def _verdict(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Allow reading the columns, and calling the functions, that are listed above; nothing more."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and second in _READABLE.get(first or "", ()))
        or (action == sqlite3.SQLITE_FUNCTION and second in FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _refused(where: str, reason: str) -> SearchError:
    shown = where if len(where) <= 60 else where[:57] + "..."
    return SearchError(
        f"--where {shown!r}: {reason}; an expression like \"path like 'a/%' and duration > 3\" "
        f"of the columns {', '.join(COLUMNS)} is taken."
    )
