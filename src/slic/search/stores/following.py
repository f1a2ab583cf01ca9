"""Letting a vector store follow the database, and reading vectors out of it."""

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.search.repository import Database, generation
from slic.search.stores.types import Block, Change, VectorStore

ROWS = 8192  # read at a time


def follow(store: VectorStore, database: Database) -> None:
    """Give a store what came and went since it last followed; all of it when it has outgrown."""
    had = store.generation
    with database.snapshot() as connection:  # nothing may come between the stamp and the vectors
        if had == generation(connection):
            return
        dimension = database.settings.dimension
        store.apply(_changes(connection, had, dimension))
        if store.generation is None:
            store.apply(_changes(connection, None, dimension))
    store.save()


def blocks(connection: sqlite3.Connection, since: int, dimension: int) -> Iterator[Block]:
    """Give ids, ascending, and vectors of all moments that came after a generation."""
    cursor = connection.execute(
        "SELECT id, vector FROM moments WHERE generation > ? ORDER BY id", (since,)
    )
    while rows := cursor.fetchmany(ROWS):
        yield unpacked(rows, dimension)


def unpacked(rows: Sequence[tuple[int, bytes]], dimension: int) -> Block:
    """Return rows of (id, vector) as arrays.

    Raises:
        SearchError: A vector has another length.
    """
    ids: Int64[np.ndarray, " n"] = np.array([row[0] for row in rows], dtype=np.int64)
    if strange := [i for i, vector in rows if len(vector) != 4 * dimension]:
        raise SearchError(
            f"moment {strange[0]} of the index has not {dimension} numbers: it is damaged or from "
            "an older version; index the videos again with another --out."
        )
    flat = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4")
    vectors: Float32[np.ndarray, "n d"] = flat.reshape(len(rows), dimension).astype(np.float32)
    return ids, vectors


def _changes(connection: sqlite3.Connection, had: int | None, dimension: int) -> Change:
    since = had or 0
    gone = connection.execute(
        "SELECT moment_id FROM removed WHERE generation > ?", (since,)
    ).fetchall()
    (count,) = connection.execute("SELECT count(*) FROM moments").fetchone()
    return Change(
        generation=generation(connection),
        count=count,
        removed=np.array([row[0] for row in gone], dtype=np.int64),
        added=blocks(connection, since, dimension),
        whole=had is None,
    )
