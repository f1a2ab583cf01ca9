"""A vector store in the process: exact up to `EXACT_UP_TO` moments, an inverted file beyond.

The choice was measured, see docs/how-to/search.md. Exact search needs neither building nor a file
and is fast enough for few moments. An inverted file (IVF) is built in a fraction of the time of a
graph, takes additions and removals in place, and has a recall of .99 or more.

The lists have to suit queries of any weights of the parts of a vector. So the parts are divided one
by one, and a list is a combination of one cell of each (Babenko & Lempitsky, CVPR 2012). With lists
of the joined vectors, a query by one part misses up to a third of its neighbours.
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import faiss
import numpy as np
from jaxtyping import Float32

from slic.sealed import DamagedFileError, OtherVersionError, Seal, open_sealed, sealing
from slic.search.repository.moments import VectorBlock, concatenate_blocks
from slic.search.stores.base import Neighbours, StoreLocation, StoreUpdate

EXACT_UP_TO = 20_000
LISTS_PER_ROOT = 4  # number of lists, in square roots of the number of moments
TRAINING_PER_LIST = 40  # moments that a list's centre is trained on; FAISS asks for 39
CENTRE_STEPS = 10
PROBED_LISTS = 128
MAX_GROWTH = 2.0  # an inverted file that has grown by more is trained again
MIN_THREADED_QUERIES = 32  # on a busy machine, threads that share a query wait for each other
_FILE_PATTERN = "vectors-*.faiss"
_SEAL: Final = Seal("inverted file", 1)

_log = logging.getLogger("slic")


class EmbeddedStore:
    """A FAISS index in memory. An inverted file is also kept on disk, named by its generation.

    Args:
        location: ``folder`` is where the inverted file is kept.
        exact_up_to: Number of moments up to which the search is exact; default `EXACT_UP_TO`.
    """

    def __init__(self, location: StoreLocation, *, exact_up_to: int | None = None) -> None:
        self.folder = location.folder
        self.dimension = location.dimension
        self.parts = location.parts or (location.dimension,)
        self.exact_up_to = EXACT_UP_TO if exact_up_to is None else exact_up_to
        self.generation: int | None = None
        self._lock = threading.Lock()
        self._index: faiss.Index = self._make_exact()
        self._load()

    def apply(self, update: StoreUpdate) -> None:
        """Apply an update in memory; ask to be filled again if the index has outgrown its kind."""
        with self._lock:
            self.generation = None  # in case of an error in between
            if update.replaces_all:
                self._index = self._fill(update.added, update.count)
            else:
                self._index.remove_ids(faiss.IDSelectorBatch(update.removed))
                for ids, vectors in update.added:
                    self._index.add_with_ids(vectors, ids)
            if self._index.ntotal <= self._max_moments():
                self.generation = update.generation

    def save(self) -> None:
        """Write an inverted file. The exact index is read from the database just as fast.

        Nothing is written where this user has no permission to write.

        Raises:
            WriteError: The disk is full or failing.
        """
        if not _is_writable(self.folder):
            return
        path = self.folder / f"vectors-{self.generation}.faiss"
        with self._lock:
            inverted = isinstance(self._index, faiss.IndexIVFFlat)
            if inverted and not path.exists():
                with sealing(path, _SEAL) as stream:
                    writer = faiss.PyCallbackIOWriter(stream.write)  # type: ignore[attr-defined]
                    faiss.write_index(self._index, writer)
            for old in self.folder.glob(_FILE_PATTERN):
                if not inverted or old != path:
                    old.unlink(missing_ok=True)

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query."""
        with self._lock, _search_threads(1 if len(vectors) < MIN_THREADED_QUERIES else None):
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
        self._index, self.generation = self._make_exact(), None

    def _make_exact(self) -> faiss.IndexIDMap2:
        return faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimension))

    def _max_moments(self) -> float:
        """Return the number of moments above which the index has to be filled again."""
        if not isinstance(self._index, faiss.IndexIVFFlat):
            return float(self.exact_up_to)
        return float(MAX_GROWTH * (self._index.nlist / LISTS_PER_ROOT) ** 2)

    def _load(self) -> None:
        """Read the newest file; one that is damaged is removed, and made again later."""
        newest = max(self.folder.glob(_FILE_PATTERN), key=_generation_of, default=None)
        if newest is None:
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
        self._index, self.generation = index, _generation_of(newest)

    def _fill(self, blocks: Iterable[VectorBlock], count: int) -> faiss.Index:
        index: faiss.Index = self._make_exact()
        if count > self.exact_up_to:
            blocks = [concatenate_blocks(blocks, count, self.dimension)]
            index = _train_inverted_file(blocks[0][1], self.parts)
        for ids, vectors in blocks:
            index.add_with_ids(vectors, ids)
        return index


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


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
    cells = max(1, round((LISTS_PER_ROOT * count**0.5) ** (1 / len(parts))))
    lists = cells ** len(parts)
    sample = np.random.default_rng(0).choice(
        count, min(count, TRAINING_PER_LIST * lists), replace=False
    )
    rows = np.split(vectors[np.sort(sample)], np.cumsum(parts)[:-1], axis=1)
    centres = faiss.IndexFlatIP(dimension)
    centres.add(_combinations([_cell_centres(part, cells) for part in rows]))
    index = faiss.IndexIVFFlat(centres, dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True  # its centres are given
    index.nprobe = PROBED_LISTS
    return index


def _cell_centres(part: Float32[np.ndarray, "n p"], cells: int) -> Float32[np.ndarray, "cells p"]:
    kmeans = faiss.Kmeans(part.shape[1], cells, niter=CENTRE_STEPS, spherical=True)
    kmeans.train(np.ascontiguousarray(part))
    return np.asarray(kmeans.centroids)


def _combinations(
    centres: Sequence[Float32[np.ndarray, "cells _"]],
) -> Float32[np.ndarray, "lists d"]:
    """Return every combination of one centre of each part, joined."""
    chosen = np.indices([len(part) for part in centres]).reshape(len(centres), -1)
    joined = [part[rows] for part, rows in zip(centres, chosen, strict=True)]
    return np.concatenate(joined, axis=1)
