"""What one studio has open: the index, the clips sent to it, the worker, and what it remembers."""

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64

from slic.errors import SlicError
from slic.files import as_text
from slic.search import Index
from slic.search.repository import FILE_NAME
from slic.studio.embedding import warm_up
from slic.studio.previews import PreviewCache
from slic.studio.projection import Map, kept_map, make_map
from slic.studio.uploads import Uploads
from slic.studio.worker import Worker

MAP_SECONDS = 3600.0
MAP_BYTES = 16 << 30
MOST_REMEMBERED = 24

T = TypeVar("T")


class Studio:
    """The state behind the page; every method may be called from several threads."""

    def __init__(self, index: Index, *, runs: Path | None = None) -> None:
        self.index = index
        self.runs = runs
        self.uploads = Uploads()
        self.previews = PreviewCache()
        self.worker = Worker()
        self.media_types: dict[int, str | None] = {}
        self._mapper = Worker(
            seconds=MAP_SECONDS, memory_bytes=MAP_BYTES, subject="map", niceness=10
        )
        self._mapping: threading.Thread | None = None
        self._map: Map | None = None
        self._map_problem: str | None = None
        self._remembered: dict[Hashable, tuple[object, Any]] = {}
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """What the index is called: its folder."""
        return as_text(self.index.path.resolve().name)

    def start(self) -> None:
        """Make ready what the first look needs, without waiting: the vectors, encoder and map."""
        threading.Thread(target=self._warm_up, daemon=True).start()

    def close(self) -> None:
        """End the processes and remove the clips."""
        for worker in (self.worker, self._mapper):
            worker.close()
        self.uploads.close()
        self.index.close()

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under this key, unless the database has changed since."""
        stamp = self._stamp()
        with self._lock:
            made_at, value = self._remembered.get(key, (None, None))
        if made_at == stamp:
            result: T = value
            return result
        result = make()
        with self._lock:
            self._remembered.pop(key, None)
            self._remembered[key] = stamp, result
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
        return result

    def mixed_ids(self) -> Int64[np.ndarray, " n"]:
        """Return all moments in an order that shows a bit of everything."""

        def mixed() -> Int64[np.ndarray, " n"]:
            return np.random.default_rng(0).permutation(self.index.ids())

        return self.remembered("mixed", mixed)

    def map(self) -> Map | None:
        """Return the map of the moments as they are now, or None while it is made."""
        generation = self.index.generation
        with self._lock:
            if self._map is None or self._map.generation != generation:
                self._map = kept_map(self.index.path, generation)
            if self._map is None and self._mapping is None and self._map_problem is None:
                self._mapping = threading.Thread(target=self._make_map, daemon=True)
                self._mapping.start()
            return self._map

    def map_problem(self) -> str | None:
        """Return once why there is no map, or None; after that it is tried again."""
        problem, self._map_problem = self._map_problem, None
        return problem

    def _make_map(self) -> None:
        try:
            self._map = self._mapper.call(make_map, self.index.path)
        except SlicError as error:
            self._map_problem = str(error)
        finally:
            self._mapping = None

    def _warm_up(self) -> None:
        try:
            self.index.sync_store()
            self.worker.call(warm_up, self.index.path)
            self.map()
        except SlicError:
            pass  # the first search says it again, to the page

    def _stamp(self) -> object:
        """Return something that differs after every commit, also of another process."""
        files = (self.index.path / f"{FILE_NAME}{end}" for end in ("", "-wal"))
        found = (path.stat() for path in files if path.exists())
        return tuple((status.st_mtime_ns, status.st_size) for status in found)
