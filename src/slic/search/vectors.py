"""The vectors of an index: from mapped files in large indexes, else from the database."""

import logging
from typing import Final

import numpy as np
from jaxtyping import Int64

from slic.errors import WriteError
from slic.search.repository import Database
from slic.search.repository import moments as moment_table
from slic.search.repository.moments import VectorBlock
from slic.search.repository.schema import read_generation
from slic.search.stores.base import synchronise
from slic.search.stores.disk_files import is_writable
from slic.search.stores.vector_file import VectorFile

MAPPED_FROM: Final = 20_000
"""Moments from which vectors are kept in files too. Fewer are read in a tenth of a second."""

_log = logging.getLogger("slic")


class Vectors:
    """Reads the vectors of one index. Its methods may be called from several threads.

    Args:
        database: The database of the index.
        mapped_from: Number of moments from which vectors are mapped; default `MAPPED_FROM`.
    """

    def __init__(self, database: Database, *, mapped_from: int | None = None) -> None:
        self._database = database
        self._dimension = database.settings.dimension
        self._mapped_from = MAPPED_FROM if mapped_from is None else mapped_from
        self.file = VectorFile(database.folder, self._dimension)

    def follow(self) -> bool:
        """Bring the files to the state of the database, if the index is large enough.

        They are not written without permission, and given up if the disk is full.

        Returns:
            Whether they have the state of the database.
        """
        if self._is_current():
            return True
        count = self._database.read(moment_table.count_moments)
        if count < self._mapped_from or not is_writable(self._database.folder):
            return False
        try:
            synchronise(self.file, self._database)
        except WriteError as error:
            _log.warning("%s The vectors are read from the database instead.", error)
            return False
        return self.file.generation is not None

    def everything(self) -> VectorBlock:
        """Return the ids of all moments, ascending, and their vectors, of unit parts.

        Both are of one state of the database, even if it changes at the same time. The caller may
        change the vectors, which are its own.

        Raises:
            SearchError: The database is damaged.
        """
        for _ in range(2):  # damaged files are made again once
            if not self.follow():
                break
            if (found := self.file.everything()) is not None:
                return found
        with self._database.snapshot() as connection:
            count = moment_table.count_moments(connection)
            blocks = moment_table.stream_vectors(connection, since=0, dimension=self._dimension)
            return moment_table.concatenate_blocks(blocks, count, self._dimension)

    def some(self, ids: Int64[np.ndarray, " wanted"]) -> VectorBlock:
        """Return those of the moments that exist, and their vectors.

        Args:
            ids: Ascending and distinct.

        Raises:
            SearchError: The database is damaged.
        """
        if self._is_current() and (found := self.file.some(ids)) is not None:
            return found
        return self._database.read(moment_table.select_vectors, ids, self._dimension)

    def close(self) -> None:
        """Close the files."""
        self.file.close()

    def _is_current(self) -> bool:
        generation = self._database.read(read_generation)
        if self.file.generation != generation:
            self.file.refresh()
        return self.file.generation == generation
