"""Filters: an expression over a few columns, compiled by SQLite and kept from everything else.

The text is never trusted. It is compiled on a connection that cannot write. An authorizer denies
every table, function, subquery and statement except those listed here. An expression that takes too
long is interrupted. So a filter may come from a web page.
"""

import sqlite3
import time
from contextlib import closing

import numpy as np
from jaxtyping import Int64

from slic.errors import SearchError
from slic.search.repository.database import Database, is_file_error, translate_errors
from slic.search.repository.labels import label_of_moment
from slic.search.repository.rows import as_ids

FILTER_COLUMNS = (
    "path", "video_id", "start_seconds", "end_seconds", "duration", "label", "confidence",
    "source", "cluster",
)  # fmt: skip
FILTER_FUNCTIONS = frozenset(
    {"like", "glob", "lower", "upper", "length", "abs", "round", "instr", "min", "max"}
)
MAX_FILTER_CHARACTERS = 2000
MAX_FILTER_SECONDS = 5.0
_STEPS_BETWEEN_CHECKS = 10_000  # virtual machine instructions of SQLite

_SEARCHABLE = f"""
    SELECT m.id AS id, v.path AS path, v.id AS video_id, m.start_seconds AS start_seconds,
        m.end_seconds AS end_seconds, v.duration_seconds AS duration,
        {label_of_moment("label")} AS label, {label_of_moment("confidence")} AS confidence,
        {label_of_moment("source")} AS source,
        (SELECT t.cluster FROM tree t WHERE t.leaf = m.leaf AND t.level = :level) AS cluster
    FROM moments m JOIN videos v ON v.id = m.video_id
"""
# All that an expression can read, even by a subquery. Neither the folders of the files nor the
# embeddings are among it. The empty column name stands for the number of rows.
_READABLE = {
    "searchable": {"", *FILTER_COLUMNS, "id"},
    "moments": {"", "id", "video_id", "start_seconds", "end_seconds", "leaf"},
    "videos": {"", "id", "path", "duration_seconds", "content_id"},
    "labels": {"", "content_id", "start_seconds", "end_seconds", "label", "confidence", "source"},
    "tree": {"", "leaf", "level", "cluster"},
}


def matching_moments(database: Database, where: str, *, level: int) -> Int64[np.ndarray, " n"]:
    """Return the ids, ascending, of the moments for which an expression is true.

    Args:
        database: Database of the index.
        where: An SQL expression of `FILTER_COLUMNS`, numbers, texts in single quotes, the
            operators of SQLite and `FILTER_FUNCTIONS`.
        level: Level of the clusters that the column ``cluster`` means.

    Raises:
        SearchError: The expression is invalid, reads anything else, or takes longer than
            `MAX_FILTER_SECONDS`; or the database is damaged.

    Example:
        >>> matching_moments(index.database, "path like 'a/%' and duration > 3", level=0)
        array([1, 2, 3])
    """
    if len(where) > MAX_FILTER_CHARACTERS:
        raise _invalid_filter(where, f"it is longer than {MAX_FILTER_CHARACTERS} characters")
    with translate_errors(database.path), closing(database.connect_read_only()) as connection:
        try:
            return _select_matching(connection, where, level)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # null bytes, two statements
            if is_file_error(error):
                raise
            interrupted = str(error) == "interrupted"
            reason = f"it takes more than {MAX_FILTER_SECONDS:g} s" if interrupted else str(error)
            raise _invalid_filter(where, reason) from error


def _select_matching(
    connection: sqlite3.Connection, where: str, level: int
) -> Int64[np.ndarray, " n"]:
    deadline = time.monotonic() + MAX_FILTER_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
    connection.set_authorizer(_authorize)
    # The line break ends a comment that the expression may have begun.
    statement = f"WITH searchable AS ({_SEARCHABLE}) SELECT id FROM searchable WHERE ({where}\n)"
    return np.unique(as_ids(connection.execute(statement, {"level": level})))


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Allow reading the listed columns and calling the listed functions; deny the rest."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and second in _READABLE.get(first or "", ()))
        or (action == sqlite3.SQLITE_FUNCTION and second in FILTER_FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _invalid_filter(where: str, reason: str) -> SearchError:
    text = where if len(where) <= 60 else where[:57] + "..."
    return SearchError(
        f"filter {text!r}: {reason}; give an expression like \"path like 'a/%' and duration > 3\" "
        f"of the columns {', '.join(FILTER_COLUMNS)}."
    )
