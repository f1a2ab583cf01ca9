"""The store that needs no server: exact up to `EXACT_UP_TO` moments, an inverted file beyond.

Chosen by measurement, see docs/search.md: up to there the exact search is quick enough and needs
neither building nor a file; beyond, an inverted file (IVF) is built in a fraction of the time of a
graph, takes additions and removals in place, and loses no recall that can be measured.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from slic.files import atomic_path
from slic.search.stores.types import Block, Change, Neighbours

EXACT_UP_TO = 20_000
LISTS_PER_ROOT = 4  # so many lists times the square root of the number of moments
TRAINING_PER_LIST = 40  # moments that a list's centre is learnt from; faiss asks for 39
PROBED_LISTS = 128
REBUILT_AT = 2.0  # an inverted file that has grown so many times is learnt anew
QUERIES_PER_THREAD = 32  # on a busy machine, threads that share a query wait for each other
PATTERN = "vectors-*.faiss"


class EmbeddedStore:
    """A FAISS index in memory; an inverted file is also kept on disk, named by its generation."""

    def __init__(self, folder: Path, dimension: int, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self.folder = folder
        self.dimension = dimension
        self.exact_up_to = exact_up_to
        self.generation: int | None = None
        self._lock = threading.Lock()
        self._index: faiss.Index = self._exact()
        self._load()

    def apply(self, change: Change) -> None:
        """Follow the database, in memory."""
        with self._lock:
            self.generation = None  # until all of it is there
            if change.whole:
                self._index = self._filled(change.added, change.count)
            else:
                self._index.remove_ids(faiss.IDSelectorBatch(change.removed))
                for ids, vectors in change.added:
                    self._index.add_with_ids(vectors, ids)
            if self._index.ntotal <= self._most():
                self.generation = change.generation

    def save(self) -> None:
        """Write an inverted file; the exact index is read from the database in no more time.

        Where this user may not write, nothing is kept.

        Raises:
            CheckpointError: The file cannot be written.
        """
        if not _writable(self.folder):
            return
        path = self.folder / f"vectors-{self.generation}.faiss"
        with self._lock:
            inverted = isinstance(self._index, faiss.IndexIVFFlat)
            if inverted and not path.exists():
                with atomic_path(path) as temporary:
                    _write(self._index, temporary)
            for old in self.folder.glob(PATTERN):
                if not inverted or old != path:
                    old.unlink(missing_ok=True)

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours:
        """Return the ``k`` nearest moments of each query."""
        with self._lock, _threads(1 if len(vectors) < QUERIES_PER_THREAD else None):
            queries = np.ascontiguousarray(vectors)
            similarities, ids = self._index.search(queries, k)
            if isinstance(self._index, faiss.IndexIVFFlat) and (ids < 0).any():
                # The lists that were probed hold fewer than k: all are looked through.
                every = faiss.SearchParametersIVF()
                every.nprobe = self._index.nlist
                similarities, ids = self._index.search(queries, k, params=every)
        return Neighbours(ids, similarities)

    def close(self) -> None:
        """Free the memory."""
        self._index, self.generation = self._exact(), None

    def _exact(self) -> faiss.IndexIDMap2:
        return faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimension))

    def _most(self) -> float:
        """Return with how many moments the index should be made anew."""
        if not isinstance(self._index, faiss.IndexIVFFlat):
            return float(self.exact_up_to)
        return float(REBUILT_AT * (self._index.nlist / LISTS_PER_ROOT) ** 2)

    def _load(self) -> None:
        """Read the newest file; one that cannot be read is as good as none."""
        newest = max(self.folder.glob(PATTERN), key=_stamp, default=None)
        if newest is None:
            return
        try:
            index = faiss.read_index(str(newest))
        except RuntimeError:
            return
        if isinstance(index, faiss.IndexIVFFlat) and index.d == self.dimension:
            index.nprobe = PROBED_LISTS
            self._index, self.generation = index, _stamp(newest)

    def _filled(self, blocks: Iterable[Block], count: int) -> faiss.Index:
        if count <= self.exact_up_to:
            index = self._exact()
            for ids, vectors in blocks:
                index.add_with_ids(vectors, ids)
            return index
        ids, vectors = _gathered(blocks, count, self.dimension)
        inverted = _inverted_file(vectors)
        inverted.add_with_ids(vectors, ids)
        return inverted


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _write(index: faiss.Index, path: Path) -> None:
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # in the words of C++, the reason last
        raise OSError(str(error).rpartition(": ")[2]) from error


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let this thread search with so many threads; None leaves it as it is."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _stamp(path: Path) -> int:
    """Return the generation in a file's name; -1 when there is none."""
    number = path.stem.removeprefix("vectors-")
    return int(number) if number.isdecimal() else -1


def _gathered(
    blocks: Iterable[Block], count: int, dimension: int
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
    """Return all blocks as one, without holding them twice."""
    ids = np.empty(count, dtype=np.int64)
    vectors = np.empty((count, dimension), dtype=np.float32)
    start = 0
    for block_ids, block in blocks:
        ids[start : start + len(block)], vectors[start : start + len(block)] = block_ids, block
        start += len(block)
    return ids[:start], vectors[:start]


def _inverted_file(vectors: Float32[np.ndarray, "n d"]) -> faiss.IndexIVFFlat:
    """Return an empty inverted file with centres learnt from some of the vectors."""
    count, dimension = vectors.shape
    lists = max(1, int(LISTS_PER_ROOT * count**0.5))
    sample = np.random.default_rng(0).choice(
        count, min(count, TRAINING_PER_LIST * lists), replace=False
    )
    centres = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFFlat(centres, dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = True
    index.train(vectors[np.sort(sample)])
    index.nprobe = PROBED_LISTS
    return index
