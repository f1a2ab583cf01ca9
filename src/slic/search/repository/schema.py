"""The tables of an index, the version of their format, and the settings of an index."""

import json
import re
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace

from slic.search.repository.checks import (
    MAX_LEVEL,
    MAX_NUMBER,
    damage_named,
    read_integer,
    read_weights,
)

DATABASE_FILE = "index.sqlite"
INDEX_FORMAT = 5
"""Version of the tables and of what their columns mean. An index of another version is refused."""
_SPACE_OR_COMMENT = re.compile(r"(\s|--[^\n]*)+")
MIN_SECONDS, MAX_SECONDS = 1e-3, 1e6  # of a moment and from one to the next
MAX_DIMENSION = 1 << 20  # of one part of a vector
MAX_REFUSED_STORED = 1000  # for each root

_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root TEXT NOT NULL,            -- folder of the collection
    path TEXT NOT NULL,            -- POSIX path relative to root
    size INTEGER NOT NULL,         -- bytes
    mtime_ns INTEGER NOT NULL,
    content_id TEXT NOT NULL,      -- digest of all bytes of the file
    frames INTEGER NOT NULL,
    fps REAL NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    duration_seconds REAL NOT NULL,
    timeline BLOB NOT NULL,        -- presentation times and key frames; empty: a folder of pictures
    UNIQUE (root, path)
);
CREATE INDEX video_of_content ON videos (content_id);
CREATE TABLE moments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a store may still hold an old vector
    video_id INTEGER NOT NULL REFERENCES videos (id),
    number INTEGER NOT NULL,       -- position in its video, from 0
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    generation INTEGER NOT NULL,   -- of the commit that added it
    leaf INTEGER,                  -- cluster in the finest partition; null before clustering
    vector BLOB NOT NULL,          -- float32, little-endian; parts of unit length, joined
    UNIQUE (video_id, number)
);
CREATE INDEX moment_of_generation ON moments (generation);
CREATE INDEX moment_of_leaf ON moments (leaf);
CREATE TABLE removed (moment_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX removed_in_generation ON removed (generation);
CREATE TABLE tree (                -- the cluster of every leaf on every level
    leaf INTEGER NOT NULL, level INTEGER NOT NULL, cluster INTEGER NOT NULL,
    PRIMARY KEY (level, leaf)
) WITHOUT ROWID;
CREATE INDEX leaf_of_cluster ON tree (level, cluster);
CREATE TABLE labels (              -- keyed by content and time, so that they outlive moments
    content_id TEXT NOT NULL,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    label TEXT NOT NULL,
    confidence REAL NOT NULL,
    source TEXT NOT NULL,          -- 'given' by a person, or 'spread' by the classifier
    PRIMARY KEY (content_id, start_seconds, end_seconds)
) WITHOUT ROWID;
CREATE TABLE label_changes (       -- the previous label of every changed segment, for undo
    change_id INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    label TEXT, confidence REAL, source TEXT   -- null: there was no label
);
CREATE INDEX label_change_of_id ON label_changes (change_id);
"""
# Not in an index that was made before clusters had an undo. Such an index gets it when its clusters
# are changed first, so its format stays.
_CLUSTER_CHANGES = """
CREATE TABLE IF NOT EXISTS cluster_changes (  -- what a change of clusters replaced, for undo
    change_id INTEGER NOT NULL,
    moment_id INTEGER,             -- a moment that got another leaf; null for a row of the tree
    leaf INTEGER,                  -- the moment's leaf before, or the leaf of the row
    level INTEGER, cluster INTEGER -- of the row; cluster is null where there was no row
);
CREATE INDEX IF NOT EXISTS cluster_change_of_id ON cluster_changes (change_id);
"""


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index was made with. It never changes.

    Attributes:
        encoder: Fingerprint of the encoder.
        vectors: Names and lengths of the parts of a vector, in order; see `slic.search.parts`.
        window_seconds: Length of a moment.
        stride_seconds: Time from the start of one moment to the start of the next.
        store: Address of the vector store, see `slic.search.stores`.
        identity: Random name of this index, for stores that hold several indexes.
    """

    encoder: str
    vectors: dict[str, int]
    window_seconds: float
    stride_seconds: float
    store: str = "embedded"
    identity: str = ""

    def __post_init__(self) -> None:
        """Raise a ValueError for what no index has; the settings may be those of a damaged file."""
        for name in ("window_seconds", "stride_seconds"):
            value: object = getattr(self, name)
            if not isinstance(value, int | float) or not MIN_SECONDS <= value <= MAX_SECONDS:
                raise ValueError(f"{name} {value!r}")
        sizes = self.vectors.values() if isinstance(self.vectors, dict) else ()
        if not sizes or not all(type(size) is int and 0 < size <= MAX_DIMENSION for size in sizes):
            raise ValueError(f"vectors {self.vectors!r}")
        for name in ("encoder", "store", "identity"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} {getattr(self, name)!r}")

    @property
    def dimension(self) -> int:
        """Length of a vector: that of all its parts together."""
        return sum(self.vectors.values())


def create_tables(connection: sqlite3.Connection, settings: IndexSettings) -> None:
    """Create the tables of an empty index and give it a random identity."""
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    create_cluster_changes(connection)
    about = {
        "format": str(INDEX_FORMAT),
        "settings": json.dumps(asdict(replace(settings, identity=secrets.token_hex(8)))),
        "generation": "0",
        "level": "0",
        "cluster_weights": "null",
        "created": str(time.time()),
    }
    connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())


def create_cluster_changes(connection: sqlite3.Connection) -> None:
    """Create the table of cluster changes in an index that is older than it."""
    for statement in _CLUSTER_CHANGES.split(";\n"):
        connection.execute(statement)


def strange_objects(connection: sqlite3.Connection) -> list[str]:
    """Return the tables, indexes, views and triggers that an index of ours does not have.

    A view can have no end, and a trigger can act on every change: a file from somebody else must
    not bring any.
    """
    with closing(sqlite3.connect(":memory:")) as plain:
        for statement in (_TABLES + _CLUSTER_CHANGES).split(";\n"):
            plain.execute(statement)
        known = _objects(plain)
    return [f"the {kind} {name!r}" for kind, name, sql in _objects(connection) - known]


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return kind, name and definition of what a database holds, but what SQLite adds itself."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE NOT (type IN ('table', 'index') AND name LIKE 'sqlite\\_%' ESCAPE '\\')"
    )
    return {
        (str(kind), str(name), _SPACE_OR_COMMENT.sub(" ", str(sql))) for kind, name, sql in rows
    }


def has_tables(connection: sqlite3.Connection) -> bool:
    """Return whether the database has any table."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def read_about(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the values that describe the whole index, by their keys."""
    return dict(connection.execute("SELECT key, value FROM about").fetchall())


def read_generation(connection: sqlite3.Connection) -> int:
    """Return the number of the last commit that added or removed moments."""
    return read_integer(read_about(connection), "generation", most=MAX_NUMBER)


def next_generation(connection: sqlite3.Connection) -> int:
    """Start a new generation and return its number.

    Every commit that adds or removes moments needs one, so that the vector store sees it.
    """
    number = read_generation(connection) + 1
    _write_about(connection, "generation", number)
    return number


def read_level(connection: sqlite3.Connection) -> int:
    """Return the level of clusters that commands and filters use when none is given."""
    return read_integer(read_about(connection), "level", most=MAX_LEVEL)


def write_level(connection: sqlite3.Connection, level: int) -> None:
    """Set the level that `read_level` returns."""
    _write_about(connection, "level", level)


def read_cluster_weights(connection: sqlite3.Connection) -> dict[str, float] | None:
    """Return the weights of parts that the clusters were made with; None for equal ones."""
    return read_weights(read_about(connection))


def write_cluster_weights(
    connection: sqlite3.Connection, weights: Mapping[str, float] | None
) -> None:
    """Set the weights that `read_cluster_weights` returns."""
    _write_about(connection, "cluster_weights", json.dumps(weights and dict(weights)))


def read_refused(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """Return path and reason of the files that the last updates refused, by their root."""
    with damage_named("the value 'refused'"):
        stored = json.loads(read_about(connection).get("refused", "{}"))
        return {
            root: [(f"{path}", f"{reason}") for path, reason in rows]
            for root, rows in stored.items()
        }


def write_refused(
    connection: sqlite3.Connection, root: str, refused: Sequence[tuple[str, str]]
) -> None:
    """Store path and reason of the files of a root that an update refused, instead of earlier ones.

    Args:
        connection: A connection of the index, in a transaction.
        root: Folder of the collection.
        refused: Path and reason of each file; only `MAX_REFUSED_STORED` are kept.
    """
    before = read_refused(connection)
    after = {**before, root: [tuple(row) for row in refused[:MAX_REFUSED_STORED]]}
    after = {key: rows for key, rows in after.items() if rows}
    if after != before:
        values = ("refused", json.dumps(after))
        connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", values)


def _write_about(connection: sqlite3.Connection, key: str, value: int | str) -> None:
    connection.execute("UPDATE about SET value = ? WHERE key = ?", (str(value), key))
