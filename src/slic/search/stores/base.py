"""What the index asks of a vector store, and how a store follows the database.

A store is a derivative of the database. It knows the generation of the database that it has, is
given what changed since, and may be filled again at any time. So it takes no part in transactions.
It only has to hold everything up to the generation that it reports.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64

from slic.search.repository import Database
from slic.search.repository import moments as moment_table
from slic.search.repository.moments import VectorBlock
from slic.search.repository.schema import read_generation


class Neighbours(NamedTuple):
    """The nearest moments of every query, nearest first.

    Attributes:
        ids: Moment ids; -1 where there are fewer than k.
        similarities: Inner products; undefined where the id is -1.
    """

    ids: Int64[np.ndarray, "q k"]
    similarities: Float32[np.ndarray, "q k"]


@runtime_checkable
class StoredVectors(Protocol):
    """What a store may ask of the mapped vectors, `slic.search.stores.vector_file.VectorFile`."""

    @property
    def generation(self) -> int | None:
        """The generation of the database that they have; None if there are none."""

    @property
    def ids(self) -> Int64[np.ndarray, " n"]:
        """Ids of all rows, ascending."""

    def some(self, ids: Int64[np.ndarray, " wanted"]) -> VectorBlock | None:
        """Return those of the moments that exist, and their vectors; None if they are damaged."""


@dataclass(frozen=True, kw_only=True)
class StoreLocation:
    """Where a store keeps the vectors of one index. Every store is constructed with it.

    Attributes:
        folder: Folder of the index.
        dimension: Length of a vector.
        parts: Lengths of its parts, which queries weight; empty if it is one.
        url: The address of a server, such as ``http://host:19530``; may be empty.
        identity: A name that no other index has, for servers that hold several.
        vectors: The mapped vectors of the index, for stores that compare them exactly; or None.
    """

    folder: Path
    dimension: int
    parts: tuple[int, ...] = ()
    url: str = ""
    identity: str = ""
    vectors: "StoredVectors | None" = None


@dataclass(frozen=True, kw_only=True)
class StoreUpdate:
    """What was added to the database and removed from it since a generation.

    Attributes:
        generation: Generation of the database now.
        count: Number of moments in the database now.
        removed: Moments that were removed. The store may not know some of them.
        added: Moments that were added, with their vectors. The store may know some already.
        replaces_all: ``added`` is everything; the store forgets what it had.
    """

    generation: int
    count: int
    removed: Int64[np.ndarray, " r"]
    added: Iterable[VectorBlock]
    replaces_all: bool


@runtime_checkable
class Follower(Protocol):
    """What follows the database by generation: a store, or the mapped vectors."""

    @property
    def generation(self) -> int | None:
        """The generation of the database that it has; None if it must be filled again."""

    def apply(self, update: StoreUpdate) -> None:
        """Bring it to ``update.generation``."""

    def save(self) -> None:
        """Make the last update outlive the process."""


@runtime_checkable
class VectorStore(Protocol):
    """Nearest neighbours by inner product, of vectors with permanent ids.

    A vector joins parts of length 1 (`slic.search.parts`). A query is scaled part by part.

    A store is constructed with a `StoreLocation`. Its methods may be called from several threads.
    """

    @property
    def generation(self) -> int | None:
        """The generation of the database that the store has; None if it must be filled again."""

    def apply(self, update: StoreUpdate) -> None:
        """Bring the store to ``update.generation``.

        An update may be applied twice, for example again after a crash.
        """

    def save(self) -> None:
        """Make the last update outlive the process, where it does not already."""

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the nearest moments of each query.

        Args:
            vectors: Queries.
            k: Number of moments for each query. Where the store has fewer, the id is -1.
        """

    def close(self) -> None:
        """Free what the store holds."""


def synchronise(store: Follower, database: Database) -> None:
    """Bring a store, or the mapped vectors, to the generation of the database.

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
        count=moment_table.count_moments(connection),
        removed=moment_table.select_removed(connection, since=since),
        added=moment_table.stream_vectors(connection, since=since, dimension=dimension),
        replaces_all=known is None,
    )
