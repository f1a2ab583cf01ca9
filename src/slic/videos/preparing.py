"""Writing one file per video of a collection, such as a proxy: in parallel, and only once."""

import os
import shutil
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENAMETOOLONG
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, runtime_checkable
from zlib import crc32

import cv2
import numpy as np
from tqdm import tqdm

from slic.errors import SlicError, VideoError, WriteError
from slic.files import discard_temporaries, temporary_prefix
from slic.machine import has_semaphores, usable_cores
from slic.signals import begin_child, starting_processes
from slic.storage import RemotePath, content_key, pinned
from slic.videos.frame_folder import frame_paths, is_picture_clip
from slic.videos.video import Refused, Video

EDGE_BYTES = 65536  # at both ends of a file; they are part of its content id
ESTIMATE_VIDEOS = 5  # that an estimate is made from

_NO_PROCESSES = (
    "preparing: a worker process did not start or was killed (out of memory?); what is done stays. "
    'Run it again with fewer workers; in a script, call it below `if __name__ == "__main__":`.'
)


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare_all`.

    Attributes:
        videos: Number of videos with a new file.
        frames: Number of their frames.
        bytes: Bytes written.
        refused: Videos that were left out, with their reasons.
    """

    videos: int
    frames: int
    bytes: int
    refused: tuple[Refused, ...]


@runtime_checkable
class Work(Protocol):
    """A kind of file that is made for every video, such as a proxy."""

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        ...

    def holds(self, video: Video) -> bool:
        """Return whether the file exists and was made from this content."""
        ...

    def path(self, video: Video) -> Path:
        """Return the path of the file of a video."""
        ...

    def bytes_a_frame(self, video: Video) -> float:
        """Return about how many bytes a frame will take."""
        ...

    def write(self, video: Video) -> int:
        """Write the file atomically and return its bytes."""
        ...


def content_digest(video: Video) -> str:
    """Return a digest of a video's content, which does not depend on its path and times.

    It has the number and size of the frames, the bytes, and a checksum of both ends of the file; of
    an object in storage, its content id.

    Raises:
        VideoError: The file is missing or cannot be read.
    """
    try:
        if isinstance(video.path, RemotePath):
            key = content_key(video.path.url, pinned(video.path).known)
            return f"{video.frames}x{video.width}x{video.height}-{key}"
        files = frame_paths(video.path) if is_picture_clip(video.path) else [video.path]
        size = sum(file.stat().st_size for file in files)
        with files[0].open("rb") as first, files[-1].open("rb") as last:
            last.seek(max(0, files[-1].stat().st_size - EDGE_BYTES))
            ends = crc32(last.read(), crc32(first.read(EDGE_BYTES)))
    except (OSError, IndexError) as error:  # IndexError: a folder without frames
        reason = getattr(error, "strerror", None) or "no frames in it"
        raise VideoError(f"{video.path}: {reason.lower()}") from error

    return f"{video.frames}x{video.width}x{video.height}-{size}-{ends:08x}"


def estimate(work: Work, videos: Sequence[Video]) -> int:
    """Return about how many bytes all videos will take, from a few spread over the collection."""
    places = np.linspace(0, len(videos) - 1, min(ESTIMATE_VIDEOS, len(videos))).round().astype(int)
    rates = []
    for place in places.tolist():
        try:
            rates.append(work.bytes_a_frame(videos[place]))
        except VideoError:  # will be named when its turn comes
            continue
    return round(float(np.mean(rates or [0.0])) * sum(video.frames for video in videos))


def remove_leftovers(work: Work, videos: Sequence[Video]) -> None:
    """Remove the temporary files of killed processes. No other process may be writing."""
    prefixes: defaultdict[Path, set[str]] = defaultdict(set)
    for path in map(work.path, videos):
        prefixes[path.parent].add(temporary_prefix(path))
    for folder in filter(Path.is_dir, prefixes):
        for entry in folder.glob(".*.tmp"):
            if entry.name[: -len("01234567.tmp")] not in prefixes[folder]:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def prepare_all(
    work: Work,
    videos: Sequence[Video],
    *,
    workers: int | None = None,
    label: str = "preparing",
    progress: bool = True,
) -> Prepared:
    """Write the file of every video, several at a time.

    Videos that do not decode, or whose name is too long for the file, are left out.

    Args:
        work: The kind of file; it is pickled for other processes.
        videos: The videos.
        workers: Number of processes; None for one on each core, 1 for this process only.
        label: Text of the progress bar.
        progress: Whether to show the bar on stderr.

    Raises:
        SlicError: A file cannot be written, or a process died. Finished files stay.
    """
    written, frames, refused = 0, 0, []
    bar = tqdm(
        total=sum(video.frames for video in videos), desc=label, unit="frame", unit_scale=True,
        disable=not (progress and videos), file=sys.stderr,
    )  # fmt: skip
    with bar:
        for done, (video, outcome) in enumerate(_outcomes(work, videos, workers), start=1):
            if isinstance(outcome, VideoError):
                refused.append(Refused(video.id, str(outcome).removeprefix(f"{video.path}: ")))
            else:
                written, frames = written + outcome, frames + video.frames
            bar.set_postfix_str(f"{done} of {len(videos)} videos", refresh=False)
            bar.update(video.frames)
    return Prepared(len(videos) - len(refused), frames, written, tuple(refused))


Outcome = int | VideoError


def _outcomes(
    work: Work, videos: Sequence[Video], workers: int | None
) -> Iterator[tuple[Video, Outcome]]:
    count = min(workers or usable_cores(), len(videos))
    if count <= 1 or not has_semaphores():
        for video in videos:
            yield video, _outcome(work, video)
        return
    try:
        with process_pool(count) as pool:
            with starting_processes():
                of = {pool.submit(_outcome, work, video): video for video in videos}
            for future in as_completed(of):
                yield of[future], future.result()
    except BrokenProcessPool as error:
        raise SlicError(_NO_PROCESSES) from error


def _outcome(work: Work, video: Video) -> Outcome:
    try:
        return work.write(video)
    except VideoError as error:
        return error
    except WriteError as error:
        if getattr(error.__cause__, "errno", None) != ENAMETOOLONG:
            raise
        return VideoError(
            f"{video.path}: its name is too long for a file in {work.folder}; shorten it"
        )


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes, which end at once if a signal interrupts the block.

    An error lets the calls that are running end. Submit calls within `starting_processes`.
    """
    context = get_context("spawn")  # a fork beside the threads of OpenCV or torch may hang
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=begin_worker, initargs=(theirs,)
    )
    with theirs, ours:
        try:
            yield pool
        except (KeyboardInterrupt, GeneratorExit):  # of a generator around this block
            ours.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def begin_worker(parent_pipe: Connection) -> None:
    """Set up a worker: one thread, and a silent end at a signal or with the parent.

    Args:
        parent_pipe: The worker ends when the other end is closed.
    """
    cv2.setNumThreads(1)
    signal.signal(signal.SIGTERM, _end)
    begin_child(_end)
    threading.Thread(target=_end_with_parent, args=(parent_pipe,), daemon=True).start()


def _end_with_parent(parent_pipe: Connection) -> None:
    parent = parent_process()
    assert parent is not None, "this runs in a worker"
    connection.wait([parent.sentinel, parent_pipe])
    _end()


def _end(*_: object) -> None:
    discard_temporaries()
    os._exit(1)
