"""The index's database: its tables, connections, transactions and settings.

SQLite in WAL mode: a commit is on the disk whole or not at all, and readers do not wait for the
writer. Vectors lie in the same rows as their times, so the two cannot disagree after a crash.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slic.errors import SearchError

FILE_NAME = "index.sqlite"
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0

Row = tuple[Any, ...]

# Errors of the file and its disk, by SQLite's primary result code.
_WAYS_OUT = {
    sqlite3.SQLITE_BUSY: "wait for the other writer",
    sqlite3.SQLITE_LOCKED: "wait for the other writer",
    sqlite3.SQLITE_FULL: "free space",
    sqlite3.SQLITE_IOERR: "see whether the disk is full or failing",
    sqlite3.SQLITE_READONLY: "this index can only be read; copy its folder to change it",
    sqlite3.SQLITE_CANTOPEN: "open it once as a user who may write to its folder",
    sqlite3.SQLITE_CORRUPT: "put a backup back, or index the videos again with another --out (try "
    "`slic labels --export` first)",
}

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root TEXT NOT NULL,            -- folder of the collection
    path TEXT NOT NULL,            -- posix path below it
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    content_id TEXT NOT NULL,     -- of the content
    frames INTEGER NOT NULL,
    fps REAL NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    seekable INTEGER NOT NULL,
    keyframe_gap INTEGER NOT NULL,
    UNIQUE (root, path)
);
CREATE INDEX video_of_content ON videos (content_id);
CREATE TABLE moments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: a store may still know an old one
    video_id INTEGER NOT NULL REFERENCES videos (id),
    number INTEGER NOT NULL,       -- from 0 in its video
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    generation INTEGER NOT NULL,   -- of the commit that added it
    leaf INTEGER,                  -- its cluster in the finest partition; null: not clustered yet
    vector BLOB NOT NULL,          -- float32, little-endian, length 1
    UNIQUE (video_id, number)
);
CREATE INDEX moment_of_generation ON moments (generation);
CREATE INDEX moment_of_leaf ON moments (leaf);
CREATE TABLE removed (moment_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX removed_in_generation ON removed (generation);
CREATE TABLE tree (                -- the cluster of a finest cluster on every level
    leaf INTEGER NOT NULL, level INTEGER NOT NULL, cluster INTEGER NOT NULL,
    PRIMARY KEY (level, leaf)
) WITHOUT ROWID;
CREATE INDEX leaf_of_cluster ON tree (level, cluster);
CREATE TABLE labels (               -- of content and time, so that they outlive moments
    content_id TEXT NOT NULL,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    label TEXT NOT NULL,
    confidence REAL NOT NULL,
    source TEXT NOT NULL,          -- 'given' by a person, or 'spread' from those
    PRIMARY KEY (content_id, start_seconds, end_seconds)
) WITHOUT ROWID;
CREATE TABLE label_changes (        -- what stood before, newest batch undone first
    batch INTEGER NOT NULL,
    content_id TEXT NOT NULL,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    label TEXT, confidence REAL, source TEXT   -- null: there was no label
);
CREATE INDEX change_of_batch ON label_changes (batch);
"""
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index was made with; it never changes.

    Attributes:
        encoder: Fingerprint of the encoder.
        dimension: Numbers of an embedding.
        window_seconds: Length of a moment.
        stride_seconds: From the start of one moment to the start of the next.
        store: ``"embedded"``, or the address of a Milvus server.
        identity: Random label of this index, for stores that hold several.
    """

    encoder: str
    dimension: int
    window_seconds: float
    stride_seconds: float
    store: str = "embedded"
    identity: str = ""


class Database:
    """The file, with one connection a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._local = threading.local()
        if not self.path.is_file():
            raise SearchError(f"{folder}: no index here; make one with `slic index`.")
        self._access = "rw"
        try:
            about = self._first_look()
            version = int(about["version"])
            self.settings = IndexSettings(**json.loads(about["settings"]))
        except sqlite3.Error as error:
            raise _as_search_error(error, self.path) from error
        except (KeyError, TypeError, ValueError) as error:
            raise _foreign(error, self.path) from error
        if version != SCHEMA_VERSION:
            raise SearchError(
                f"{self.path}: has version {version}, this program reads version "
                f"{SCHEMA_VERSION}; index the videos again with another --out."
            )

    @classmethod
    def create(cls, folder: Path, settings: IndexSettings) -> "Database":
        """Make an empty database; one that is there already is opened as it is."""
        path = folder / FILE_NAME
        with reported(path):
            folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    _fill(connection, settings)
                connection.execute("COMMIT")
            finally:
                connection.close()
        return cls(folder)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection; for reading, `rows` turns errors into one line."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connected(self._access)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        return connection

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query.

        Raises:
            SearchError: The database is damaged or locked for too long.
        """
        with reported(self.path):
            return self.connection.execute(statement, parameters).fetchall()

    def about(self, key: str) -> str:
        """Return one of the values that stand for the whole index; see `read_about`."""
        with reported(self.path):
            return read_about(self.connection, key)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change the database whole or not at all.

        Raises:
            SearchError: The disk is full or the database is locked for too long or damaged.
        """
        with reported(self.path):
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the database, whatever is committed meanwhile."""
        with reported(self.path):
            connection = self.connection
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def read_only(self) -> sqlite3.Connection:
        """Return a new connection that cannot write."""
        return self._connected("ro" if self._access == "rw" else self._access)

    def close(self) -> None:
        """Close this thread's connection."""
        if (connection := getattr(self._local, "connection", None)) is not None:
            connection.close()
            self._local.connection = None

    def _first_look(self) -> dict[str, str]:
        """Return the table ``about``, and find out how the file can be opened.

        SQLite needs to write beside a database in WAL mode even for reading it, unless it is told
        that nothing changes. That holds where this user may not write, and no write is half done.
        """
        try:
            return dict(self.connection.execute("SELECT key, value FROM about").fetchall())
        except sqlite3.OperationalError as error:
            log = self.path.with_name(f"{FILE_NAME}-wal")
            if _code(error) not in _NOT_WRITABLE or (log.exists() and log.stat().st_size):
                raise
        self.close()
        self._access = "ro&immutable=1"
        return dict(self.connection.execute("SELECT key, value FROM about").fetchall())

    def _connected(self, access: str) -> sqlite3.Connection:
        address = f"{self.path.resolve().as_uri()}?mode={access}"
        return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def read_about(connection: sqlite3.Connection, key: str) -> str:
    """Return one of the values that stand for the whole index."""
    (value,) = connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
    return str(value)


def write_about(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Replace one of the values that stand for the whole index."""
    connection.execute("UPDATE about SET value = ? WHERE key = ?", (value, key))


def generation(connection: sqlite3.Connection) -> int:
    """Return the number of the last commit that added or removed moments."""
    return int(read_about(connection, "generation"))


def next_generation(connection: sqlite3.Connection) -> int:
    """Count a commit that adds or removes moments."""
    number = generation(connection) + 1
    write_about(connection, "generation", str(number))
    return number


def _fill(connection: sqlite3.Connection, settings: IndexSettings) -> None:
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    values = asdict(settings) | {"identity": secrets.token_hex(8)}
    about = {
        "version": str(SCHEMA_VERSION),
        "settings": json.dumps(values),
        "generation": "0",
        "level": "0",
    }
    connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())


def is_of_the_file(error: Exception) -> bool:
    """Tell whether an error is one of the database's file or disk, not of what was asked of it."""
    return _code(error) in _WAYS_OUT


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn the errors of the disk and of SQLite, and what it cannot hold, into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _as_search_error(error, path) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise SearchError(f"{path}: holds no such number or text ({error}).") from error
    except OSError as error:
        raise SearchError(f"{path}: could not be written ({error.strerror}).") from error


def _as_search_error(error: sqlite3.Error, path: Path) -> SearchError:
    if _code(error) in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB):
        return _foreign(error, path)
    way_out = _WAYS_OUT.get(_code(error), "see whether the disk is full or failing")
    return SearchError(f"{path}: {error}; {way_out}.")


def _foreign(error: Exception, path: Path) -> SearchError:
    return SearchError(
        f"{path}: not the database of an index ({error}); "
        "put a backup back, or index the videos again with another --out."
    )


def _code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 for an error of Python or its module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
