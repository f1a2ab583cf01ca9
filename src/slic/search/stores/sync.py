"""Bringing a vector store to the state of the database."""

import sqlite3

from slic.search.repository import Database
from slic.search.repository.moments import count_moments, select_removed, stream_vectors
from slic.search.repository.schema import read_generation
from slic.search.stores.base import StoreUpdate, VectorStore


def synchronise(store: VectorStore, database: Database) -> None:
    """Bring a store to the generation of the database.

    It is given what changed since its own generation, or everything if it has none. A store that
    asks to be filled again after that is given everything.

    Args:
        store: The store.
        database: The database of the index.
    """
    known = store.generation
    with database.snapshot() as connection:  # generation and vectors are of one state
        if known == read_generation(connection):
            return
        dimension = database.settings.dimension
        store.apply(_update_since(connection, known, dimension))
        if store.generation is None:
            store.apply(_update_since(connection, None, dimension))
    store.save()


def _update_since(connection: sqlite3.Connection, known: int | None, dimension: int) -> StoreUpdate:
    since = known or 0
    return StoreUpdate(
        generation=read_generation(connection),
        count=count_moments(connection),
        removed=select_removed(connection, since=since),
        added=stream_vectors(connection, since=since, dimension=dimension),
        replaces_all=known is None,
    )
