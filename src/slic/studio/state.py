"""The state of a running studio: index, uploads, worker processes and caches."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from cachetools import LRUCache

from slic.errors import SlicError
from slic.files import as_text
from slic.search import Index
from slic.search.parts import Weights, check_weights
from slic.search.repository import DATABASE_FILE
from slic.studio.background import BackgroundJobs
from slic.studio.embedding import preload_encoder
from slic.studio.indexing import BackgroundIndexing
from slic.studio.media import Media
from slic.studio.projection import MomentIds, MomentMap, load_map, make_map
from slic.studio.session import SessionFolder
from slic.studio.uploads import UploadStore
from slic.studio.worker import Worker

MAX_MAP_SECONDS = 3600.0
MAX_MAP_BYTES = 16 << 30
MAX_CACHED_RESULTS = 24
MAX_MEDIA_THREADS = 12  # a file that is slow to read must not keep other requests waiting

ResultT = TypeVar("ResultT")


class Studio:
    """Everything that the routes share; every method may be called from several threads.

    Args:
        index: The open index. :meth:`close` closes it.
        runs: Folder of pretraining runs to show, or None.
        weights: Weights of the parts of a vector, for the map and as the page begins; None weights
            them equally.
        indexing: What fills the index meanwhile, or None. The studio starts and closes it.
        compared: A second index to compare results with, or None. The studio closes it.
        session: The folder of temporary files, if another studio made it already.

    Raises:
        SearchError: A weight is invalid.
    """

    def __init__(
        self,
        index: Index,
        *,
        runs: Path | None = None,
        weights: Weights | None = None,
        indexing: BackgroundIndexing | None = None,
        compared: Index | None = None,
        session: SessionFolder | None = None,
    ) -> None:
        self.index = index
        self.runs = runs
        self.weights = None if weights is None else check_weights(index.parts, weights)
        self.indexing = indexing
        self.session = session or SessionFolder()
        self.uploads = UploadStore(folder=self.session.path)
        self.media = Media(self.session.path)
        self.media_threads = ThreadPoolExecutor(MAX_MEDIA_THREADS, "media")
        self.compared = None if compared is None else Studio(compared, session=self.session)
        if self.compared is not None:
            self.compared.uploads, self.compared.media = self.uploads, self.media
        self.worker = Worker(folder=self.session.path)
        self.jobs = BackgroundJobs()
        self._map_worker = Worker(
            max_seconds=MAX_MAP_SECONDS, max_bytes=MAX_MAP_BYTES, subject="map", niceness=10
        )
        self._map_thread: threading.Thread | None = None
        self._map: MomentMap | None = None
        self._map_error: str | None = None
        self._results: LRUCache[Hashable, tuple[object, Any]] = LRUCache(MAX_CACHED_RESULTS)
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """Name of the index's folder, or of the collection that is indexed."""
        folder = self.indexing.videos if self.indexing else self.index.path
        return as_text(folder.resolve().name)

    @property
    def is_indexing(self) -> bool:
        """Whether moments are being added by this studio."""
        return self.indexing is not None and self.indexing.progress.running

    def start(self) -> None:
        """Load vectors, encoder and map in the background.

        Errors are ignored here. The first request raises them again, and the page shows them.
        """
        if self.indexing:
            self.indexing.start()
        self.media_threads.submit(self.media.start)
        threading.Thread(target=self._warm_up, daemon=True).start()
        if self.compared is not None:
            threading.Thread(target=self.compared._load, daemon=True).start()

    def close(self) -> None:
        """End the worker processes, delete the uploads and close the index."""
        for worker in (self.worker, self._map_worker, self.jobs, self.media):
            worker.close()
        self.media_threads.shutdown(wait=False, cancel_futures=True)
        if self.indexing:
            self.indexing.close()
        if self.compared:
            self.compared.close()
        self.session.close()
        self.index.close()

    def cached(self, key: Hashable, make: Callable[[], ResultT]) -> ResultT:
        """Return the result cached under ``key``, or call ``make`` if the database has changed.

        Args:
            key: Identifies the result.
            make: Computes it from the index. It runs without the lock, so two threads may compute
                the same result.
        """
        state = self._database_state()
        with self._lock:
            cached_state, cached_result = self._results.get(key, (None, None))
        if cached_state == state:
            result: ResultT = cached_result
            return result
        result = make()
        with self._lock:
            self._results[key] = state, result
        return result

    def shuffled_ids(self) -> MomentIds:
        """Return the ids of all moments in a fixed random order, so that a page is varied."""
        return self.cached(
            "shuffled ids", lambda: np.random.default_rng(0).permutation(self.index.ids())
        )

    def current_map(self) -> MomentMap | None:
        """Return the map of the current moments, or None while it is computed.

        It is not computed while moments are added.
        """
        generation = self.index.generation
        with self._lock:
            if self._map is None or self._map.generation != generation:
                self._map = load_map(self.index.path, generation, weights=self.weights)
            idle = self._map_thread is None and not self.is_indexing
            if self._map is None and idle and self._map_error is None:
                self._map_thread = threading.Thread(target=self._make_map, daemon=True)
                self._map_thread.start()
            return self._map

    def take_map_error(self) -> str | None:
        """Return why the map could not be computed, and clear the error so that it is retried."""
        error, self._map_error = self._map_error, None
        return error

    def _make_map(self) -> None:
        try:
            self._map = self._map_worker.call(make_map, self.index.path, weights=self.weights)
        except SlicError as error:
            self._map_error = str(error)
        finally:
            self._map_thread = None

    def _load(self) -> None:
        with suppress(SlicError):  # see :meth:`start`
            self.index.sync_store()
            self.worker.call(preload_encoder, self.index.path)

    def _warm_up(self) -> None:
        self._load()
        with suppress(SlicError):
            self.current_map()

    def _database_state(self) -> object:
        """Return a value that differs after every commit, also of another process.

        A commit appends to the write-ahead log or rewrites the database, so one of the two files
        changes.
        """
        files = (self.index.path / f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal"))
        found = (path.stat() for path in files if path.exists())
        return tuple((status.st_mtime_ns, status.st_size) for status in found)
