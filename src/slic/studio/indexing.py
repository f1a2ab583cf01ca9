"""Indexing a collection in a process of its own, while the studio shows what is indexed so far."""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from slic.errors import SlicError
from slic.search import Index, cluster_index, clusters_per_level, update_index
from slic.signals import StopRequested, begin_child, starting_processes
from slic.storage import RemotePath
from slic.videos.catalog import Catalog, is_list

INDEX_NAME = ".slic-index"
STOP_SECONDS = 60.0  # for the batch that is embedded when the studio ends

Phase = Literal["scanning", "embedding", "clustering", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class IndexingProgress:
    """How far the indexing of a collection is.

    Attributes:
        phase: What is done now, or how it ended.
        done: Moments that were embedded by this process.
        total: Moments that this process is to embed; 0 before the scan has ended.
        refused: Files that cannot be used.
        per_second: Moments that were embedded per second of the last minute; 0 if not known yet.
        message: Why it failed; else empty.
    """

    phase: Phase = "scanning"
    done: int = 0
    total: int = 0
    refused: int = 0
    per_second: float = 0.0
    message: str = ""

    @property
    def running(self) -> bool:
        """Whether moments are still added."""
        return self.phase in ("scanning", "embedding", "clustering")

    @property
    def seconds_left(self) -> float | None:
        """How long the embedding takes from now on; None if it is not known."""
        if self.phase != "embedding" or self.per_second <= 0:
            return None
        return (self.total - self.done) / self.per_second


class Pace:
    """How fast a count grows, over the last minute.

    Args:
        seconds: Length of what is remembered.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._counts: deque[tuple[float, int]] = deque()

    def per_second(self, count: int, now: float) -> float:
        """Take over a count, and return its growth per second; 0 for the first.

        Args:
            count: The count.
            now: Time in seconds, of any clock that goes on evenly.
        """
        self._counts.append((now, count))
        while len(self._counts) > 2 and now - self._counts[0][0] > self._seconds:
            self._counts.popleft()
        then, before = self._counts[0]
        return (count - before) / (now - then) if now > then else 0.0


def index_folder_of(videos: Path) -> Path:
    """Return where the studio keeps the index of a collection.

    Args:
        videos: A folder, or a list of videos.

    Returns:
        ``.slic-index`` in the folder, or ``.NAME.slic-index`` beside the list. Where this user may
        not write, and for object storage: a folder of the user's cache, named after the collection
        and its path.
    """
    if isinstance(videos, RemotePath):
        return _folder_in_cache(videos)
    is_list = not videos.is_dir()
    beside = videos.with_name(f".{videos.name}{INDEX_NAME}") if is_list else videos / INDEX_NAME
    written = beside if beside.exists() else beside.parent
    # The permission bits too: to root everything is writable.
    if written.stat().st_mode & 0o222 and os.access(written, os.W_OK):
        return beside
    return _folder_in_cache(videos)


def _folder_in_cache(videos: Path) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = str(videos.resolve())
    digest = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:12]
    return cache / "slic" / f"{Path(place).name}-{digest}"


class BackgroundIndexing:
    """A process that brings an index up to date with a collection.

    It continues what an earlier one began. Afterwards it clusters the index, if it has no clusters.

    Args:
        index_folder: Folder of the index, which exists.
        videos: A folder, or a list of videos.
        workers: Processes that decode.

    Example:
        >>> indexing = BackgroundIndexing(Path("videos/.slic-index"), Path("videos"))
        >>> indexing.start()
        >>> indexing.progress
        IndexingProgress(phase='scanning', done=0, total=0, refused=0, per_second=0.0, message='')
    """

    def __init__(self, index_folder: Path, videos: Path, *, workers: int = 2) -> None:
        self.index_folder, self.videos = index_folder, videos
        self.progress = IndexingProgress()
        # A forked process would inherit locks of other threads that are held for ever.
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe(duplex=False)
        arguments = (self._theirs, index_folder, videos, workers)
        self._process = context.Process(target=_run_indexing, args=arguments)
        self._reader = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Start the process."""
        with starting_processes():
            self._process.start()
        self._theirs.close()
        self._reader.start()

    def join(self) -> None:
        """Wait until the process has ended."""
        self._process.join()
        self._reader.join()

    def close(self) -> None:
        """Stop the process after its current batch; what is embedded is kept."""
        if self._process.pid is None:
            return
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGINT)
            self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
        self.join()

    def _follow(self) -> None:
        """Take over what the process reports, until it ends."""
        with suppress(EOFError, OSError):
            while True:
                self.progress = self._pipe.recv()
        if self.progress.running:
            message = "The indexing process ended. Start the studio again to continue."
            self.progress = replace(self.progress, phase="failed", message=message)


def _run_indexing(pipe: Connection, index_folder: Path, videos: Path, workers: int) -> None:
    """Index in the process; every report goes through the pipe.

    If the studio was killed, the next report fails and ends the process.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C reaches the studio, which then stops this process once
    progress = IndexingProgress()

    def report(**changes: object) -> None:
        nonlocal progress
        progress = replace(progress, **changes)  # type: ignore[arg-type]
        pipe.send(progress)

    pace = Pace()

    def embedded(done: int, total: int) -> None:
        # Not before the first batch, which waits for the processes that decode.
        per_second = pace.per_second(done, time.monotonic()) if done else 0.0
        report(phase="embedding", done=done, total=total, per_second=per_second)

    try:
        begin_child(signal.default_int_handler)
        listed = is_list(videos) if isinstance(videos, RemotePath) else not videos.is_dir()
        read = Catalog.from_list if listed else Catalog.from_folder
        catalog = read(videos, workers=workers or None, progress=False)
        report(refused=len(catalog.refused))
        index = Index.open(index_folder)
        done = update_index(index, catalog, workers=workers, progress=False, on_batch=embedded)
        report(phase="clustering", refused=len(done.changes.refused))
        if index.count and not clusters_per_level(index):
            cluster_index(index)
        report(phase="finished")
    except (StopRequested, KeyboardInterrupt):
        report(phase="stopped")
    except SlicError as error:
        report(phase="failed", message=str(error))
    except BrokenPipeError:
        sys.exit(1)
