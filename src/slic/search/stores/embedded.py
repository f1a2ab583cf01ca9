"""A vector store in the process: exact, an inverted file in memory, or one on disk.

The choice was measured, see docs/how-to/search.md. Exact search needs neither building nor a file
and is fast enough for few moments. An inverted file (IVF) is built in a fraction of the time of a
graph, takes additions and removals in place, and has a recall of .99 or more. Beyond
`IN_MEMORY_UP_TO` moments it stays on disk (`slic.search.stores.disk_lists`), so that opening an
index reads nothing, and memory is bounded.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import faiss
import numpy as np
from jaxtyping import Float32

from slic.errors import SearchError
from slic.sealed import DamagedFileError, OtherVersionError, Seal, open_sealed, sealing
from slic.search.repository.moments import VectorBlock, concatenate_blocks
from slic.search.stores.base import Neighbours, StoreLocation, StoreUpdate
from slic.search.stores.cells import (
    LISTS_PER_ROOT,
    TRAINING_PER_LIST,
    cells_per_part,
    combinations,
    train_cells,
)
from slic.search.stores.disk_files import is_writable
from slic.search.stores.disk_lists import DiskLists

EXACT_UP_TO = 20_000
IN_MEMORY_UP_TO = 500_000
PROBED_LISTS = 128
MAX_GROWTH = 2.0  # an inverted file that has grown by more is trained again
MIN_THREADED_QUERIES = 32  # on a busy machine, threads that share a query wait for each other
_FILE_PATTERN = "vectors-*.faiss"
_SEAL: Final = Seal("inverted file", 1)

_log = logging.getLogger("slic")


class EmbeddedStore:
    """A FAISS index in memory or on disk. Files are named by the generation that they have.

    Args:
        location: ``folder`` is where files are kept. Without ``vectors``, or without permission to
            write them, the index is always in memory.
        exact_up_to: Number of moments up to which the search is exact; default `EXACT_UP_TO`.
        in_memory_up_to: Number of moments up to which an inverted file is in memory; default
            `IN_MEMORY_UP_TO`.
    """

    def __init__(
        self,
        location: StoreLocation,
        *,
        exact_up_to: int | None = None,
        in_memory_up_to: int | None = None,
    ) -> None:
        self.folder = location.folder
        self.dimension = location.dimension
        self.parts = location.parts or (location.dimension,)
        self.exact_up_to = EXACT_UP_TO if exact_up_to is None else exact_up_to
        self.in_memory_up_to = IN_MEMORY_UP_TO if in_memory_up_to is None else in_memory_up_to
        self._generation: int | None = None
        self._lock = threading.Lock()
        self._vectors = location.vectors
        self._disk = None if location.vectors is None else DiskLists(location)
        self._index: faiss.Index = self._make_exact()
        if not self._on_disk():
            self._load()

    @property
    def generation(self) -> int | None:
        """The generation of the database that the store has; None if it must be filled again."""
        if self._disk is not None and self._disk.generation is not None:
            return self._disk.generation
        return self._generation

    def apply(self, update: StoreUpdate) -> None:
        """Apply an update; ask to be filled again if the index has outgrown its kind."""
        with self._lock:
            self._generation = None  # in case of an error in between
            if self._disk is not None and self._goes_to_disk(update):
                self._index = self._make_exact()
                self._disk.apply(update)
                self._remove_files()
                return
            if update.replaces_all:
                self._index = self._fill(update.added, update.count)
            else:
                self._index.remove_ids(faiss.IDSelectorBatch(update.removed))
                for ids, vectors in update.added:
                    self._index.add_with_ids(vectors, ids)
            if self._index.ntotal <= self._max_moments():
                self._generation = update.generation

    def save(self) -> None:
        """Write an inverted file. The exact index is read from the database just as fast.

        Nothing is written where this user has no permission to write.

        Raises:
            WriteError: The disk is full or failing.
        """
        if self._on_disk() or not is_writable(self.folder):
            return
        path = self.folder / f"vectors-{self.generation}.faiss"
        with self._lock:
            inverted = isinstance(self._index, faiss.IndexIVFFlat)
            if inverted and not path.exists():
                with sealing(path, _SEAL) as stream:
                    writer = faiss.PyCallbackIOWriter(stream.write)  # type: ignore[attr-defined]
                    faiss.write_index(self._index, writer)
            self._remove_files(but=path if inverted else None)

    def _remove_files(self, *, but: Path | None = None) -> None:
        """Remove inverted files of other generations."""
        for old in self.folder.glob(_FILE_PATTERN):
            if old != but:
                old.unlink(missing_ok=True)

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query."""
        with self._lock, _search_threads(1 if len(vectors) < MIN_THREADED_QUERIES else None):
            if self._disk is not None and self._on_disk():
                if (found := self._disk.search(vectors, k)) is None:
                    raise SearchError(
                        f"{self._disk.folder}: was damaged while it was searched; search again, "
                        "and it is made again from the database."
                    )
                return found
            queries = np.ascontiguousarray(vectors)
            similarities, ids = self._index.search(queries, k)
            if isinstance(self._index, faiss.IndexIVFFlat) and (ids < 0).any():
                # The probed lists hold fewer than k moments: search all lists.
                all_lists = faiss.SearchParametersIVF()
                all_lists.nprobe = self._index.nlist
                similarities, ids = self._index.search(queries, k, params=all_lists)
        return Neighbours(ids, similarities)

    def close(self) -> None:
        """Free the memory."""
        self._index, self._generation = self._make_exact(), None
        if self._disk is not None:
            self._disk.close()

    def _on_disk(self) -> bool:
        return self._disk is not None and self._disk.generation is not None

    def _can_be_on_disk(self) -> bool:
        """Return whether the mapped vectors, which the lists on disk need, are there."""
        has_vectors = self._vectors is not None and self._vectors.generation is not None
        return has_vectors and is_writable(self.folder)

    def _goes_to_disk(self, update: StoreUpdate) -> bool:
        if not update.replaces_all:
            return self._on_disk()
        return update.count > self.in_memory_up_to and self._can_be_on_disk()

    def _make_exact(self) -> faiss.IndexIDMap2:
        return faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimension))

    def _max_moments(self) -> float:
        """Return the number of moments above which the index has to be filled again."""
        if not isinstance(self._index, faiss.IndexIVFFlat):
            return float(self.exact_up_to)
        if self._can_be_on_disk() and self._index.ntotal > self.in_memory_up_to:
            return float(self.in_memory_up_to)
        return float(MAX_GROWTH * (self._index.nlist / LISTS_PER_ROOT) ** 2)

    def _load(self) -> None:
        """Read the newest file; one that is damaged is removed, and made again later."""
        newest = max(self.folder.glob(_FILE_PATTERN), key=_generation_of, default=None)
        if newest is None or self._is_too_large(newest):
            return
        try:
            with open_sealed(newest, _SEAL) as stream:
                reader = faiss.PyCallbackIOReader(stream.read)  # type: ignore[attr-defined]
                index = faiss.read_index(reader)
            if not isinstance(index, faiss.IndexIVFFlat) or index.d != self.dimension:
                raise DamagedFileError("it has vectors of another length")
        except (DamagedFileError, OtherVersionError, OSError, RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split())[:200]
            _log.warning("%s: cannot be used (%s); it is made again", newest, reason)
            with suppress(OSError):
                newest.unlink()
            return
        index.nprobe = PROBED_LISTS
        self._index, self._generation = index, _generation_of(newest)

    def _is_too_large(self, file: Path) -> bool:
        """Return whether an inverted file of an earlier version now goes to the disk."""
        bound = self.in_memory_up_to * self.dimension * 4
        return self._can_be_on_disk() and file.stat().st_size > MAX_GROWTH * bound

    def _fill(self, blocks: Iterable[VectorBlock], count: int) -> faiss.Index:
        index: faiss.Index = self._make_exact()
        if count > self.exact_up_to:
            blocks = [concatenate_blocks(blocks, count, self.dimension)]
            index = _train_inverted_file(blocks[0][1], self.parts)
        for ids, vectors in blocks:
            index.add_with_ids(vectors, ids)
        return index


@contextmanager
def _search_threads(count: int | None) -> Iterator[None]:
    """Set the number of threads of a search; None leaves it unchanged."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _generation_of(path: Path) -> int:
    """Return the generation in a file's name; -1 if there is none."""
    number = path.stem.removeprefix("vectors-")
    return int(number) if number.isdecimal() else -1


def _train_inverted_file(
    vectors: Float32[np.ndarray, "n d"], parts: Sequence[int]
) -> faiss.IndexIVFFlat:
    """Return an empty inverted file whose centres are trained on a sample of the vectors."""
    count, dimension = vectors.shape
    cells = cells_per_part(count, len(parts))
    lists = cells ** len(parts)
    sample = np.random.default_rng(0).choice(
        count, min(count, TRAINING_PER_LIST * lists), replace=False
    )
    centres = faiss.IndexFlatIP(dimension)
    centres.add(combinations(train_cells(vectors[np.sort(sample)], parts, cells)))
    index = faiss.IndexIVFFlat(centres, dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True  # its centres are given
    index.nprobe = PROBED_LISTS
    return index
