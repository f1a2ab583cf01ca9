"""Connections and transactions of an index's database.

SQLite runs in WAL mode: a commit is on the disk whole or not at all, and readers do not wait for
the writer. Vectors are in the same rows as their times, so the two cannot disagree after a crash.
"""

import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from slic.errors import FormatError, SearchError, WriteError
from slic.files import flush_folder, in_use, make_folder, remove_stale_temporaries, temporary_path
from slic.search.repository import schema
from slic.search.repository.checks import CheckedConnection
from slic.search.repository.schema import DATABASE_FILE, INDEX_FORMAT, IndexSettings

QueryTs = TypeVarTuple("QueryTs")
ResultT = TypeVar("ResultT")

PAGE_BYTES = 16_384  # in pages of 4 kB, a vector of 580 numbers leaves a third unused
BUSY_SECONDS = 30.0
MAX_REASON = 200  # characters of what SQLite says, which may quote a text of the file

# What to do about an error of the file or its disk, by SQLite's primary result code.
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "wait for the other writer; if there is none, this file system has no "
    "locks: copy the folder to another one",
    sqlite3.SQLITE_LOCKED: "wait for the other writer",
    sqlite3.SQLITE_FULL: "free space on the disk",
    sqlite3.SQLITE_IOERR: "check whether the disk is full or failing",
    sqlite3.SQLITE_READONLY: "this index is read-only or its disk is full; copy its folder "
    "to change the copy",
    sqlite3.SQLITE_CANTOPEN: "free space on the disk, or open it once as a user with permission to "
    "write to its folder",
    sqlite3.SQLITE_CORRUPT: "restore a backup (the disk may be failing), or index the videos into "
    "another folder with "
    "`slic index` (`slic labels export` may still save the labels)",
}
_WRITE_ERRORS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class _Connection(CheckedConnection):
    """A connection that its last reference closes; Python 3.13 warns of one that is left open."""

    def __del__(self) -> None:
        with suppress(self.ProgrammingError):  # this may be another thread than the one it is of
            self.close()


class Database:
    """The database file of an index, with one connection per thread.

    Args:
        folder: Folder of the index.

    Raises:
        SearchError: The folder has no database, or SQLite cannot open it.
        FormatError: The file is no index, or an index of another format version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / DATABASE_FILE
        self._local = threading.local()
        if not self.path.is_file():
            raise SearchError(f"{folder}: no index here; make one with `slic index`.")
        self._access = "rw"
        with translate_errors(self.path):
            about = self._open_about()
            strange = schema.strange_objects(self._connection())
        if strange:
            raise FormatError(
                f"{self.path}: has {strange[0]}, which no index has. Do not open an index from "
                "somebody you do not trust; index the videos into another folder."
            )
        if (version := about.get("format", "1")) != str(INDEX_FORMAT):
            raise FormatError(
                f"{self.path}: the index has format {version:.20}, this version of slic reads "
                f"format {INDEX_FORMAT}; index the videos into another folder with `slic index`."
            )
        try:
            self.settings = IndexSettings(**json.loads(about["settings"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise _not_an_index(error, self.path) from error

    @classmethod
    def create(cls, folder: Path, settings: IndexSettings) -> "Database":
        """Create an empty database, or open the one that exists.

        Raises:
            WriteError: The folder cannot be written.
        """
        path = folder / DATABASE_FILE
        with translate_errors(path):
            make_folder(folder)
            if is_half_created(folder):  # by a version that did not create it as a whole
                for file in _files_of(path):
                    file.unlink(missing_ok=True)
            if not path.exists():
                _create_whole(path, settings)
        return cls(folder)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection, for single queries.

        Raises:
            SearchError: The database is damaged, or locked for too long.
        """
        with translate_errors(self.path):
            yield self._connection()

    def read(
        self, query: Callable[[sqlite3.Connection, *QueryTs], ResultT], *args: *QueryTs
    ) -> ResultT:
        """Return the result of one query.

        Args:
            query: A function of this package, which takes a connection first.
            *args: Its other arguments.

        Raises:
            SearchError: The database is damaged, or locked for too long.
        """
        with self.reading() as connection:
            return query(connection, *args)

    def snapshot(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection that sees one state of the database, whatever others commit.

        Raises:
            SearchError: The database is damaged, or locked for too long.
        """
        return self._between("BEGIN", "ROLLBACK")

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection whose changes are committed together, or not at all.

        Raises:
            WriteError: The disk is full, or the index is read-only.
            SearchError: The database is damaged, or locked for too long.
        """
        return self._between("BEGIN IMMEDIATE", "COMMIT")

    def connect_read_only(self) -> sqlite3.Connection:
        """Return a new connection that cannot write."""
        return self._connect("ro" if self._access == "rw" else self._access)

    def close(self) -> None:
        """Close this thread's connection."""
        if (connection := getattr(self._local, "connection", None)) is not None:
            connection.close()
            self._local.connection = None

    @contextmanager
    def _between(self, begin: str, end: str) -> Iterator[sqlite3.Connection]:
        with self.reading() as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute(end)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(self._access)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        return connection

    def _open_about(self) -> dict[str, str]:
        """Return the table ``about``, and find out how the file can be opened.

        Even to read a database in WAL mode, SQLite writes beside it, unless it may assume that
        nothing changes. The assumption holds where this user has no permission to write and no
        write is unfinished.
        """
        try:
            return schema.read_about(self._connection())
        except sqlite3.OperationalError as error:
            log = self.path.with_name(f"{DATABASE_FILE}-wal")
            if _result_code(error) not in _NOT_WRITABLE or (log.exists() and log.stat().st_size):
                raise
        self.close()
        self._access = "ro&immutable=1"
        return schema.read_about(self._connection())

    def _connect(self, access: str) -> sqlite3.Connection:
        address = f"{self.path.resolve().as_uri()}?mode={access}"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, factory=_Connection
        )
        connection.execute("PRAGMA trusted_schema = OFF")  # of a file from somebody else
        if sys.version_info >= (3, 12):
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        return connection


def is_half_created(folder: Path) -> bool:
    """Return whether the database of a folder has no tables, as after a kill at its creation."""
    path = folder / DATABASE_FILE
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return not schema.has_tables(connection)
    except sqlite3.Error:
        return path.is_file() and not path.stat().st_size


def _create_whole(path: Path, settings: IndexSettings) -> None:
    """Create the database under another name; another process may do the same meanwhile."""
    remove_stale_temporaries(path.parent)
    temporary = temporary_path(path)
    try:
        connected = closing(sqlite3.connect(temporary, isolation_level=None))
        with in_use(temporary), connected as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("BEGIN IMMEDIATE")
            schema.create_tables(connection, settings)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")  # last, so that no log has the tables
        try:
            path.hardlink_to(temporary)
        except FileExistsError:  # the other process was first
            return
        except OSError:  # a file system without hard links
            temporary.replace(path)
        flush_folder(path.parent)
    finally:
        for file in _files_of(temporary):
            file.unlink(missing_ok=True)


def _files_of(path: Path) -> list[Path]:
    """Return the files that SQLite keeps for a database."""
    return [
        path,
        *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm", "-journal")),
    ]


def is_file_error(error: Exception) -> bool:
    """Return whether an error is about the database's file or disk, not about the statement."""
    return _result_code(error) in _REMEDIES


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the disk as a `SlicError` with a one-line message.

    Raises:
        SearchError: The database is damaged or locked, or cannot hold a number or text.
        WriteError: The disk is full, or the file is read-only.
        FormatError: The file is not the database of an index.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = _result_code(error)
        if code == 0:  # a text that is not UTF-8, see sqlite3.Connection.text_factory
            code = sqlite3.SQLITE_CORRUPT
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB):
            raise _not_an_index(error, path) from error
        remedy = _REMEDIES.get(code, _REMEDIES[sqlite3.SQLITE_IOERR])
        kind = WriteError if code in _WRITE_ERRORS else SearchError
        raise kind(f"{path}: {str(error)[:MAX_REASON]}; {remedy}.") from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise SearchError(f"{path}: cannot hold this number or text ({error}).") from error
    except OSError as error:
        raise WriteError(f"{path}: could not be written ({error.strerror}).") from error


def _not_an_index(error: Exception, path: Path) -> FormatError:
    return FormatError(
        f"{path}: not the database of an index ({str(error)[:MAX_REASON]}); "
        "restore a backup, or index the videos into another folder with `slic index`."
    )


def _result_code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 for an error of Python or of its sqlite3 module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
