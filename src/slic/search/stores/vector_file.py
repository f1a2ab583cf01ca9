"""The vectors of an index in files that are mapped into memory, so that opening reads nothing.

The database stays the truth; these files follow it by generation, as a vector store does. Rows are
only appended, in the order of their ids, and never changed. What is valid is said by a sealed
manifest, which is replaced as a whole. So readers of other processes go on while one writes.

A block of rows is checked when it is used first: by its checksum, and that its parts have unit
length. Damaged files are made again from the database.
"""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int64

from slic.files import flush_file
from slic.sealed import DamagedFileError, Seal
from slic.search.repository.moments import VectorBlock
from slic.search.stores.base import StoreUpdate
from slic.search.stores.disk_files import appending, only_writer, reporting
from slic.search.stores.manifest_files import ManifestFiles
from slic.search.stores.mapped_rows import MappedRows, VectorState, unpack_state

VECTORS_FORMAT: Final = 1
VECTORS_FOLDER: Final = "vectors"
MAX_DEAD_SHARE: Final = 0.1  # of rows of removed moments; if there are more, all is written again
_SEAL: Final = Seal("vectors", VECTORS_FORMAT)


class VectorFile:
    """The vectors of an index, mapped into memory. Its methods may be called by several threads.

    Args:
        folder: Folder of the index; the files are in its folder ``vectors``.
        dimension: Length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder / VECTORS_FOLDER
        self.dimension = dimension
        self._files = ManifestFiles(self.folder, _SEAL, self._open)

    @property
    def generation(self) -> int | None:
        """The generation of the database that the files have; None if they must be filled."""
        mapped = self._files.opened
        return None if mapped is None else mapped.state.generation

    @property
    def ids(self) -> Int64[np.ndarray, " n"]:
        """Ids of all rows, ascending, also of removed moments."""
        mapped = self._files.opened
        return np.empty(0, np.int64) if mapped is None else mapped.ids

    def refresh(self) -> None:
        """Take over what another process has written."""
        self._files.refresh()

    def everything(self) -> VectorBlock | None:
        """Return the ids of all moments and their vectors; None if the files are damaged.

        The vectors are mapped. What the caller changes in them stays in its memory.
        """
        if (mapped := self._files.opened) is None:
            return None
        try:
            mapped.check()
            rows, dead = mapped.rows(), mapped.state.dead
        except (DamagedFileError, OSError) as error:
            self._files.discard(error)
            return None
        if not len(dead):
            return mapped.ids.copy(), rows
        alive = np.ones(len(rows), bool)
        alive[dead] = False
        return mapped.ids[alive], rows[alive]

    def some(self, ids: Int64[np.ndarray, " wanted"]) -> VectorBlock | None:
        """Return those of the moments that exist, and their vectors; None if the files are damaged.

        Args:
            ids: Ascending and distinct.
        """
        if (mapped := self._files.opened) is None:
            return None
        places = np.searchsorted(mapped.ids, ids)
        known = places < len(mapped.ids)
        known[known] = mapped.ids[places[known]] == ids[known]
        known &= ~_contains(mapped.state.dead, places)
        try:
            return ids[known], mapped.read(places[known])
        except (DamagedFileError, OSError) as error:
            self._files.discard(error)
            return None

    def apply(self, update: StoreUpdate) -> None:
        """Append rows and mark removed ones; what is known already is left out.

        Raises:
            WriteError: The disk is full or failing.
        """
        with self._files.lock, reporting(self.folder), only_writer(self.folder):
            self.refresh()
            if update.replaces_all:
                state = VectorState(
                    generation=update.generation, name=f"rows-{secrets.token_hex(4)}"
                )
            elif self._files.opened is None:
                return  # asks for everything
            else:
                state = self._files.opened.state
            state = self._appended(state, update)
            if len(state.dead) > MAX_DEAD_SHARE * max(1, state.rows):
                self._files.opened = None  # asks for everything
                return
            self._files.publish(state.packed(self.dimension))
            for old in self.folder.glob("rows-*.*"):
                if old.stem != state.name:
                    with suppress(OSError):
                        old.unlink()

    def save(self) -> None:
        """Do nothing: `apply` has written."""

    def close(self) -> None:
        """Unmap the files; arrays that were returned stay valid."""
        self._files.close()

    def _open(self, content: bytes) -> MappedRows:
        return MappedRows(self.folder, unpack_state(content, self.dimension), self.dimension)

    def _appended(self, state: VectorState, update: StoreUpdate) -> VectorState:
        """Write the rows that are new, and return the state with them."""
        id_checks, row_checks = state.checksums(self.dimension)
        known = self.ids if not update.replaces_all else np.empty(0, np.int64)
        last = int(known[-1]) if len(known) else -1
        paths = (self.folder / f"{state.name}.i64", self.folder / f"{state.name}.f32")
        with (
            appending(paths[0], 8 * state.rows) as id_file,
            appending(paths[1], 4 * self.dimension * state.rows) as row_file,
        ):
            for ids, vectors in update.added:
                new = ids > last
                for file, checks, array in (
                    (id_file, id_checks, ids[new].astype("<i8")),
                    (row_file, row_checks, vectors[new].astype("<f4")),
                ):
                    file.write(array.tobytes())
                    checks.add(array.tobytes())
        for path in paths:
            flush_file(path)
        gone = update.removed[_contains(known, update.removed)]
        return VectorState(
            generation=max(update.generation, state.generation),
            name=state.name,
            rows=row_checks.rows,
            id_checks=id_checks.values(),
            row_checks=row_checks.values(),
            dead=np.union1d(state.dead, np.searchsorted(known, gone)),
        )


def _contains(ascending: Int64[np.ndarray, " n"], values: Int64[np.ndarray, " m"]) -> np.ndarray:
    places = np.searchsorted(ascending, values)
    found = places < len(ascending)
    found[found] = ascending[places[found]] == values[found]
    return found
