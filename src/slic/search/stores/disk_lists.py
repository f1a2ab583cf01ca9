"""An inverted file on disk, for more moments than should be held in memory.

A vector is one byte for each number there (a scalar quantiser). The lists are mapped, and a search
reads those that it probes. The candidates are then compared exactly, with the mapped vectors of the
index. What is added becomes a new segment; small segments are merged into larger ones.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from slic.sealed import DamagedFileError
from slic.search.repository.moments import VectorBlock
from slic.search.stores.base import Neighbours, StoredVectors, StoreLocation, StoreUpdate
from slic.search.stores.cells import (
    TRAINING_PER_LIST,
    ListFinder,
    cells_per_part,
    combinations,
    train_cells,
)
from slic.search.stores.disk_files import only_writer, reporting
from slic.search.stores.disk_manifest import SEAL, DiskState, pack_state, unpack_state
from slic.search.stores.manifest_files import ManifestFiles
from slic.search.stores.segments import (
    OpenSegment,
    merged_content,
    remove_other_segments,
    sorted_content,
    write_segment,
)

LISTS_FOLDER: Final = "lists"
MAX_LISTS: Final = 8192  # more take longer to build than they save
MAX_DISK_GROWTH: Final = 4.0  # a file that has grown by more gets new cells
PROBED_ON_DISK: Final = 256
ROWS_PER_RUN: Final = 1 << 18  # that are held in memory while the lists are built
CANDIDATES_PER_RESULT, MORE_CANDIDATES = 2, 20  # that are compared exactly
MERGED_BELOW: Final = 4  # a segment is merged if it has fewer times the rows of those after it
MAX_DEAD_SHARE: Final = 0.1


class DiskLists:
    """An inverted file in the folder of an index. Its methods may be called by several threads.

    Args:
        location: Its ``vectors`` are needed.
        probed: Lists that a search probes; default `PROBED_ON_DISK`.
    """

    def __init__(self, location: StoreLocation, *, probed: int | None = None) -> None:
        assert location.vectors is not None
        self.folder = location.folder / LISTS_FOLDER
        self.dimension = location.dimension
        self.parts = location.parts or (location.dimension,)
        self.probed = PROBED_ON_DISK if probed is None else probed
        self._vectors: StoredVectors = location.vectors
        self._files = ManifestFiles(self.folder, SEAL, self._open)

    @property
    def generation(self) -> int | None:
        """The generation of the database that the lists have; None if they must be filled."""
        opened = self._files.opened
        return None if opened is None else opened.state.generation

    def refresh(self) -> None:
        """Take over what another process has written."""
        self._files.refresh()

    def apply(self, update: StoreUpdate) -> None:
        """Add a segment; train and write all lists if the update replaces everything.

        Raises:
            WriteError: The disk is full or failing.
        """
        with self._files.lock, reporting(self.folder), only_writer(self.folder):
            self.refresh()
            if not update.replaces_all and self._files.opened is None:
                return  # asks for everything
            try:
                state = self._merged(self._appended(update))
            except DamagedFileError as error:
                self._files.discard(error)
                return
            if state.rows > MAX_DISK_GROWTH * state.trained_for:
                self._files.opened = None  # asks for everything
                return
            self._files.publish(pack_state(state))
            remove_other_segments(self.folder, state.segments)

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int) -> Neighbours | None:
        """Return the ``k`` nearest moments of each query; None if the lists are damaged."""
        if (opened := self._files.opened) is None:
            return None
        wide = max(1, min(CANDIDATES_PER_RESULT * k + MORE_CANDIDATES, opened.state.rows))
        try:
            found = opened.search(vectors, wide, probed=self.probed)
            if (found.ids < 0).any():  # the probed lists hold too few
                found = opened.search(vectors, wide, probed=len(opened.centres))
        except (DamagedFileError, OSError) as error:
            self._files.discard(error)
            return None
        return self._compared(vectors, found, k)

    def close(self) -> None:
        """Unmap the lists."""
        self._files.close()

    def _open(self, content: bytes) -> "_Opened":
        try:
            return _Opened(self.folder, unpack_state(content, self.parts))
        except RuntimeError as error:  # of FAISS
            raise DamagedFileError(str(error)) from error

    def _appended(self, update: StoreUpdate) -> DiskState:
        """Write what is new as segments, and return the state with them."""
        if update.replaces_all:
            state = self._trained(update)
        else:
            assert self._files.opened is not None
            state = self._files.opened.state
        segments, last, finder = list(state.segments), state.last_id, ListFinder(state.centres)
        for ids, vectors in _runs(update.added, ROWS_PER_RUN):
            new = ids > state.last_id
            if new.any():
                codes = state.quantiser().compute_codes(vectors[new])
                content = sorted_content(codes, ids[new], finder.lists(vectors[new]))
                segments.append(write_segment(self.folder, state.lists, content))
                last = int(ids[-1])
        removed = update.removed[update.removed <= last]
        return state._replace(
            generation=max(state.generation, update.generation),
            segments=tuple(segments),
            last_id=last,
            dead=np.union1d(state.dead, removed),
        )

    def _trained(self, update: StoreUpdate) -> DiskState:
        """Return a state without vectors, whose cells are trained on a sample."""
        cells = cells_per_part(update.count, len(self.parts), most_lists=MAX_LISTS)
        sample = self._sample(TRAINING_PER_LIST * cells ** len(self.parts))
        quantiser = faiss.ScalarQuantizer(self.dimension, faiss.ScalarQuantizer.QT_8bit)
        quantiser.train(sample)
        return DiskState(
            generation=update.generation,
            trained_for=update.count,
            last_id=-1,
            centres=tuple(train_cells(sample, self.parts, cells)),
            ranges=faiss.vector_to_array(quantiser.trained),
            segments=(),
            dead=np.empty(0, np.int64),
        )

    def _sample(self, count: int) -> Float32[np.ndarray, "n d"]:
        ids = self._vectors.ids
        rows = np.random.default_rng(0).choice(len(ids), min(count, len(ids)), replace=False)
        found = self._vectors.some(ids[np.sort(rows)])
        if found is None or not len(found[0]):
            raise DamagedFileError("the mapped vectors are damaged")
        return np.ascontiguousarray(found[1])

    def _merged(self, state: DiskState) -> DiskState:
        """Merge the last segments into one, so that each is several times those after it."""
        rows = [segment.rows for segment in state.segments]
        first = len(rows)
        for place in range(len(rows) - 2, -1, -1):
            if rows[place] < MERGED_BELOW * sum(rows[place + 1 :]):
                first = place
        if len(state.dead) > MAX_DEAD_SHARE * sum(rows):
            first = 0
        if first >= len(rows):
            return state
        code_size = state.quantiser().code_size
        opened = [OpenSegment(self.folder, s, code_size=code_size) for s in state.segments[first:]]
        dead = state.dead if first == 0 else state.dead[:0]
        merged = write_segment(self.folder, state.lists, merged_content(opened, dead))
        kept = (*state.segments[:first], merged) if merged.rows else state.segments[:first]
        return state._replace(segments=kept, dead=state.dead[:0] if first == 0 else state.dead)

    def _compared(
        self, vectors: Float32[np.ndarray, "q d"], found: Neighbours, k: int
    ) -> Neighbours:
        """Compare candidates exactly. One that is not in the mapped vectors was removed."""
        ids = np.full((len(vectors), k), -1, np.int64)
        similarities = np.full((len(vectors), k), -np.inf, np.float32)
        for row, query in enumerate(vectors):
            candidates = np.unique(found.ids[row][found.ids[row] >= 0])
            if (exact := self._vectors.some(candidates)) is None:  # damaged: as they were found
                known, similarity = found.ids[row], found.similarities[row]
            else:
                known, similarity = exact[0], exact[1] @ query
            best = np.argsort(-similarity, kind="stable")[:k]
            ids[row, : len(best)], similarities[row, : len(best)] = known[best], similarity[best]
        return Neighbours(ids, similarities)


class _Opened:
    """The mapped segments of one state."""

    def __init__(self, folder: Path, state: DiskState) -> None:
        self.state = state
        self.centres = combinations(state.centres)
        self._quantiser = faiss.IndexFlatIP(self.centres.shape[1])
        self._quantiser.add(self.centres)
        self._segments = [
            OpenSegment(folder, segment, code_size=state.quantiser().code_size)
            for segment in state.segments
        ]
        self._indexes = [self._index(segment) for segment in self._segments]

    def search(self, vectors: Float32[np.ndarray, "q d"], k: int, *, probed: int) -> Neighbours:
        """Return the nearest of all segments, by codes.

        Raises:
            DamagedFileError: A list does not have its checksum.
        """
        queries = np.ascontiguousarray(vectors, np.float32)
        scores, lists = self._quantiser.search(queries, min(probed, len(self.centres)))
        found = [(np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1))]
        for segment, index in zip(self._segments, self._indexes, strict=True):
            segment.check(lists)
            found.append(self._search_lists(index, queries, k, lists, scores))
        similarities, ids = (np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True))
        similarities = np.where(ids >= 0, similarities, -np.inf)
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        return Neighbours(
            np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarities, order, axis=1)
        )

    def _search_lists(
        self,
        index: faiss.IndexIVFScalarQuantizer,
        queries: Float32[np.ndarray, "q d"],
        k: int,
        lists: Int64[np.ndarray, "q p"],
        scores: Float32[np.ndarray, "q p"],
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Return similarities and ids of the nearest that some lists have, without dead ones."""
        similarities = np.empty((len(queries), k), np.float32)
        ids = np.empty((len(queries), k), np.int64)
        options = faiss.SearchParametersIVF()
        options.nprobe = lists.shape[1]
        if len(self.state.dead):
            dead = faiss.IDSelectorBatch(self.state.dead)
            alive = faiss.IDSelectorNot(dead)
            options.sel = alive
        arrays = (faiss.swig_ptr(array) for array in (lists, scores, similarities, ids))
        keys, distances, *results = arrays
        index.search_preassigned_c(  # type: ignore[attr-defined]
            len(queries), faiss.swig_ptr(queries), k, keys, distances, *results, False, options
        )
        return similarities, ids

    def _index(self, segment: OpenSegment) -> faiss.IndexIVFScalarQuantizer:
        index = faiss.IndexIVFScalarQuantizer(
            self._quantiser, self.centres.shape[1], len(self.centres),
            faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False,
        )  # fmt: skip
        faiss.copy_array_to_vector(self.state.ranges, index.sq.trained)
        index.is_trained, index.nprobe = True, PROBED_ON_DISK
        index.replace_invlists(segment.lists, False)
        index.ntotal = segment.segment.rows
        return index


def _runs(blocks: Iterable[VectorBlock], rows: int) -> Iterator[VectorBlock]:
    """Join blocks into larger ones."""
    held: list[VectorBlock] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block[0])
        if count >= rows:
            yield np.concatenate([b[0] for b in held]), np.concatenate([b[1] for b in held])
            held, count = [], 0
    if held:
        yield np.concatenate([b[0] for b in held]), np.concatenate([b[1] for b in held])
