"""Decoding in worker processes, which may crash, hang or run out of memory without harm.

A worker is a Python process that this one starts and talks to. It decodes one request at a time
and puts the frames into memory that both share. It has a limit of memory, and of CPU time for each
reply. If it breaks a limit or crashes, it is ended, the request fails with a `VideoError`, and the
next request gets another worker.

The worker is started as a program, not forked or spawned: so it works in any script and notebook,
and inside the workers of a data loader.
"""

import atexit
import logging
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from errno import EIO
from functools import partial
from logging.handlers import QueueHandler
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.files import absolute, reason_of
from slic.signals import begin_child, starting_processes
from slic.storage import RemotePath, fetch, pinned, reading_through
from slic.videos.container import MAX_PIXELS
from slic.videos.decoder import DamagedVideoError, count_errors
from slic.videos.inspection import inspect_video
from slic.videos.set_aside import refuse_set_aside, set_aside
from slic.videos.sources import resized_frames
from slic.videos.video import Video

MAX_WORKER_BYTES = 1400 << 20  # of data; the decoder's pictures and our own
MAX_REPLY_SECONDS = 20.0  # of CPU time, for one clip or the next frames of a stream
MAX_WAIT_SECONDS = 300.0  # of wall time, on a busy machine
REPLY_BYTES = 32 << 20  # frames of one reply
MAX_IDLE_WORKERS = 2
MAX_REQUESTS = 20_000  # of a worker; FFmpeg's memory grows by about 0.4 kB a request
MAX_TRIES = 3  # of a reading whose worker is killed
# What damaged content does to a decoder. A worker is killed in other ways for other reasons.
CRASH_SIGNALS = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
_POLL_SECONDS = 0.5
_PROGRAM = "from slic.videos.isolation import serve; serve({}, {})"

_log = logging.getLogger("slic")
_failed_inspections: dict[tuple[Path, int], str] = {}  # by file and time of its last change
_idle: dict[int, list["DecodingWorker"]] = {}  # by process: a fork does not share workers


class DecodingFailedError(VideoError):
    """A video crashed a worker, broke a limit, or is damaged above the share.

    Attributes:
        lasting: The content of the video is the cause, so that another try would fail too.
    """

    def __init__(self, message: str, *, lasting: bool = True) -> None:
        super().__init__(message)
        self.lasting = lasting


class DecoderKilledError(DecodingFailedError):
    """Somebody killed a worker, such as the system when memory ran out. Another try may do."""


class DecodingWorker:
    """A process that decodes, seen from the process that asks.

    Attributes:
        usable: It has answered all requests so far.
        answered: Number of these requests.
    """

    def __init__(self) -> None:
        self.usable = True
        self.answered = 0
        ours, theirs = Pipe()
        self._connection: Connection = ours
        self._file = _memory_file()
        self._memory: mmap.mmap | None = None
        fds = (theirs.fileno(), self._file.fileno())
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with starting_processes():
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM.format(*fds)],
                pass_fds=fds,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        theirs.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._file.close()

    def ask(self, path: Path, *request: Any) -> Any:
        """Send a request and return the reply.

        Raises:
            DecodingFailedError: The worker crashed or broke a limit, or the video is damaged.
            VideoError: The worker reports another error.
            DecoderKilledError: The worker was killed.
        """
        self.usable = False  # until the reply is there
        folder = absolute(Path())  # paths may be relative
        try:
            self._connection.send((str(folder), *request))
            (kind, value, warnings), failure = self._reply(path)
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            code = self._process.poll()
            message = f"{path}: {_reason_of_end(code)}"
            if code is not None and -code in CRASH_SIGNALS:
                raise DecodingFailedError(message) from None
            raise DecoderKilledError(message, lasting=False) from None
        self.usable = True
        self.answered += 1
        for warning in warnings:
            _log.warning("%s", warning)
        if failure is not None:  # whatever the decoder made of the missing bytes
            raise VideoError(f"{path}: {reason_of(failure)}") from failure
        if kind == "failed":
            raise DecodingFailedError(value)
        if kind == "error":
            raise VideoError(value)
        if kind == "disk error":
            raise VideoError(value) from OSError(value)
        return value

    def frames(self, count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "t h w 3"]:
        """Return the frames of the last reply, as a view of the shared memory."""
        width, height = size
        length = count * width * height * 3
        if self._memory is None or len(self._memory) < length:
            self._memory = mmap.mmap(self._file.fileno(), os.fstat(self._file.fileno()).st_size)
        return np.frombuffer(self._memory, np.uint8, length).reshape(count, height, width, 3)

    def _reply(self, path: Path) -> tuple[Any, OSError | None]:
        """Return the reply, and what kept this process from fetching bytes of an object for it.

        The worker asks for the bytes: it has no network, and waiting for them costs no patience.
        """
        patience, failure = _Patience(path, self._process.pid), None
        while True:
            patience.wait(self._connection)
            reply = self._connection.recv()
            if reply[0] != "fetch":
                return reply, failure
            patience.check()
            data: bytes | None = None
            if failure is None:
                try:
                    data = _fetched(path, *reply[1])
                except OSError as error:
                    failure = error
            self._connection.send(data)


class _Patience:
    """How long a worker has worked on one request."""

    def __init__(self, path: Path, process: int) -> None:
        self._path, self._process = path, process
        self._cpu: float | None = None
        self._waited = 0.0

    def wait(self, connection: Connection) -> None:
        """Wait for a message.

        Raises:
            DecodingFailedError: The worker takes too long.
        """
        if connection.poll(_POLL_SECONDS):  # nearly always
            return
        started, before = time.monotonic(), self._waited
        self.check()
        while not connection.poll(_POLL_SECONDS):
            self._waited = before + time.monotonic() - started
            self.check()

    def check(self) -> None:
        """Raise if the worker takes too long.

        Raises:
            DecodingFailedError: It does.
        """
        now = _cpu_seconds(self._process)
        self._cpu = now if self._cpu is None else self._cpu
        used = now - self._cpu
        if used > MAX_REPLY_SECONDS or self._waited > MAX_WAIT_SECONDS:
            reason = f"decoding takes too long (stopped after {used:.0f} s of CPU time)"
            raise DecodingFailedError(f"{self._path}: {reason}", lasting=used > MAX_REPLY_SECONDS)


def _fetched(path: Path, start: int, end: int) -> bytes:
    """Return bytes of the object that a worker reads, and of no other."""
    assert isinstance(path, RemotePath), "asked for objects only"
    return fetch(path.address, path.known, max(0, start), min(end, path.known.size))


def _pinned(video: Video) -> Video:
    """Return a video whose object has a version; a file stays as it is.

    Raises:
        VideoError: There is no such object, or the storage does not tell.
    """
    if not isinstance(video.path, RemotePath):
        return video
    try:
        return replace(video, path=pinned(video.path))
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error


def read_isolated(
    video: Video, places: Sequence[int], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "t h w 3"]]:
    """Give frames at ascending places in blocks, decoded in a worker.

    A block is valid until the next one is asked for. If a worker is killed, another one continues.

    Args:
        video: The video.
        places: Ascending frame numbers.
        size: (width, height) to resize to.

    Raises:
        VideoError: A frame does not decode, the worker broke a limit, or one did so before. The
            video is then set aside (`slic.videos.set_aside`).
    """
    places = [int(place) for place in places]
    if not places:
        return
    refuse_set_aside(video, places)
    video, given = _pinned(video), 0
    for more_tries in reversed(range(MAX_TRIES)):
        try:
            for frames in _read_once(video, places[given:], size):
                given += len(frames)
                yield frames
            return
        except DecodingFailedError as failure:
            if isinstance(failure, DecoderKilledError) and more_tries:
                continue
            reason = str(failure).removeprefix(f"{video.path}: ")
            set_aside(video, places, reason, lasting=failure.lasting)
            raise VideoError(str(failure)) from None


def _read_once(
    video: Video, places: Sequence[int], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "t h w 3"]]:
    worker = _take()
    try:
        count = worker.ask(video.path, "read", video, places, size)
        while count:
            yield worker.frames(count, size)
            count = worker.ask(video.path, "next")
    finally:
        _give_back(worker)


def inspect_isolated(path: Path, id: str) -> Video:  # noqa: A002 (the word of the whole package)
    """Return what `slic.videos.inspection.inspect_video` returns, from a worker.

    Raises:
        VideoError: It cannot be used, or the worker broke a limit.
    """
    try:
        if isinstance(path, RemotePath):
            path = pinned(path)
        elif path.is_file():  # the worker may have been started with other rights
            path.open("rb").close()
    except OSError as error:
        raise VideoError(f"{path}: {reason_of(error)}") from error
    state = (path, _changed(path))
    if reason := _failed_inspections.get(state):
        raise VideoError(reason)
    for more_tries in reversed(range(MAX_TRIES)):
        try:
            return _inspect_once(path, id)
        except DecodingFailedError as failure:
            if isinstance(failure, DecoderKilledError) and more_tries:
                continue
            if failure.lasting:
                _failed_inspections[state] = str(failure)
                raise VideoError(str(failure)) from None
            raise VideoError(str(failure)) from OSError()  # not a fault of the file
    raise AssertionError("the last try returns or raises")


def _inspect_once(path: Path, id: str) -> Video:  # noqa: A002 (the word of the whole package)
    worker = _take()
    try:
        video: Video = worker.ask(path, "inspect", path, id)
        return video
    finally:
        _give_back(worker)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def cpu_seconds() -> float:
    """Return the CPU time of this process and its idle decoding workers so far, in seconds."""
    workers = (worker._process.pid for worker in _idle.get(os.getpid(), []))
    return time.process_time() + sum(map(_cpu_seconds, workers))


def serve(descriptor: int, memory: int) -> None:
    """Answer requests until the other end closes; this runs in the worker."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the other process decides when to end
    begin_child(signal.SIG_IGN)
    _limit_memory()
    count_errors()
    connection = Connection(descriptor)
    reading_through(partial(_ask_for_bytes, connection))
    server = _Server(memory)
    with suppress(EOFError, ConnectionError):  # the other process has ended
        while True:
            request = connection.recv()
            connection.send((*server.answer(*request), server.take_warnings()))


def _ask_for_bytes(
    connection: Connection, _address: Any, _state: Any, start: int, end: int
) -> bytes:
    """Return bytes of the object that is read, from the process that asked for it."""
    connection.send(("fetch", (start, end), []))
    data: bytes | None = connection.recv()
    if data is None:
        raise OSError(EIO, "the object cannot be read")
    return data


class _Server:
    """What a worker holds between two requests."""

    def __init__(self, memory: int) -> None:
        self._descriptor = memory
        self._memory: mmap.mmap | None = None
        self._frames: Iterator[UInt8[np.ndarray, "h w 3"]] = iter(())
        self._size = (0, 0)
        self._folder = ""
        self._warnings = QueueHandler(SimpleQueue())
        _log.addHandler(self._warnings)
        _log.propagate = False

    def take_warnings(self) -> list[str]:
        """Return what was logged since the last time, for the log of the other process."""
        queue: Any = self._warnings.queue
        return [queue.get().getMessage() for _ in range(queue.qsize())]

    def answer(self, folder: str, kind: str, *request: Any) -> tuple[str, Any]:
        """Return the kind of the reply and its value."""
        try:
            if folder != self._folder:
                os.chdir(folder)
                self._folder = folder
            if kind == "inspect":
                return "value", inspect_video(*request)
            if kind == "read":
                video, places, self._size = request
                self._frames = resized_frames(video, places, self._size)
            return "value", self._fill()
        except DamagedVideoError as error:
            return "failed", str(error)
        except VideoError as error:
            return "disk error" if isinstance(error.__cause__, OSError) else "error", str(error)
        except OSError as error:
            path = getattr(request[0], "path", request[0]) if request else folder
            return "disk error", f"{path}: {reason_of(error)}"
        except (MemoryError, cv2.error):  # OpenCV raises its own for memory
            path = getattr(request[0], "path", request[0]) if request else "a video"
            by_video = self._size[0] * self._size[1] <= MAX_PIXELS  # not by the size asked for
            reason = f"{path}: needs more than {MAX_WORKER_BYTES >> 20} MB to decode"
            return "failed" if by_video else "error", reason

    def _fill(self) -> int:
        """Put the next frames into the shared memory and return how many."""
        width, height = self._size
        length = width * height * 3
        most = max(1, REPLY_BYTES // length)
        count = 0
        for frame in self._frames:
            self._reserve((count + 1) * length)
            assert self._memory is not None
            place = np.frombuffer(self._memory, np.uint8, length, count * length)
            place.reshape(height, width, 3)[...] = frame
            count += 1
            if count == most:
                break
        return count

    def _reserve(self, length: int) -> None:
        if self._memory is not None and len(self._memory) >= length:
            return
        size = max(REPLY_BYTES, length)
        os.ftruncate(self._descriptor, size)
        self._memory = mmap.mmap(self._descriptor, size)


def _take() -> DecodingWorker:
    idle = _idle.setdefault(os.getpid(), [])
    with suppress(IndexError):
        return idle.pop()
    return DecodingWorker()


def _give_back(worker: DecodingWorker) -> None:
    idle = _idle.setdefault(os.getpid(), [])
    fresh = worker.usable and worker.answered < MAX_REQUESTS
    if fresh and len(idle) < MAX_IDLE_WORKERS:
        idle.append(worker)
    else:
        worker.close()


@atexit.register
def _close_all() -> None:
    for worker in _idle.pop(os.getpid(), []):
        worker.close()


def _memory_file() -> Any:
    """Return a file that lies in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("slic-frames"), "w+b")
    return tempfile.TemporaryFile()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process took; the wall time where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


def _reason_of_end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the decoder stopped (exit code {code})"
    return f"the decoder crashed ({signal.Signals(-code).name})"
