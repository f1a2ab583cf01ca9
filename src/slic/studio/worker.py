"""A worker process for video files of unknown origin, with limits of time and memory.

When a call exceeds a limit or the decoder crashes, the process is killed and the next call starts a
new one. The studio keeps running.
"""

import importlib
import logging
import multiprocessing
import os
import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from slic.errors import SlicError, VideoError
from slic.signals import begin_child, starting_processes

try:
    import resource
except ImportError:  # Windows has no resource limits; there only the time is limited
    resource = None  # type: ignore[assignment]

MAX_WORKER_BYTES = 6 << 30
MAX_CALL_SECONDS = 120.0
MAX_START_SECONDS = 120.0

CallP = ParamSpec("CallP")
ReturnT = TypeVar("ReturnT")


class LimitError(VideoError):
    """A call took too long or too much memory, or crashed its process."""


class Progress(NamedTuple):
    """How far a call is.

    Attributes:
        done: What is finished.
        total: What there is to do, in the same unit; 0 while it is not known.
    """

    done: int = 0
    total: int = 0


_caller: Connection | None = None  # in a worker process: the pipe to whoever waits for the call


def report_progress(done: int, total: int) -> None:
    """Tell the caller how far the running call is; does nothing outside of a worker process."""
    if _caller is not None:
        _caller.send(Progress(done, total))


@dataclass(eq=False, kw_only=True)
class Worker:
    """A process that runs one call at a time; any thread may call.

    Args:
        max_seconds: Time limit of a call, and between two reports of its progress.
        max_bytes: Memory limit of the process.
        subject: What the calls work on, for error messages.
        niceness: Added to the niceness of the process.
        folder: Where the process writes temporary files; None for the system's folder.
        modules: What the process imports before it takes a call, which then does not count.

    Example:
        >>> worker = Worker(max_seconds=10.0)
        >>> video = worker.call(inspect_upload, path)
    """

    max_seconds: float = MAX_CALL_SECONDS
    max_bytes: int = MAX_WORKER_BYTES
    subject: str = "video"
    niceness: int = 0
    folder: Path | None = None
    modules: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._closed = False
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def call(
        self, function: Callable[CallP, ReturnT], *args: CallP.args, **kwargs: CallP.kwargs
    ) -> ReturnT:
        """Run a function in the process and return its result.

        Args:
            function: A function of a module, so that it can be pickled.
            *args: Its arguments, which are pickled too.
            **kwargs: Its keyword arguments.

        Raises:
            LimitError: The call took too long or too much memory, or the process crashed.
            VideoError: The studio is closing, or no process can be started.
            SlicError: The function raised it.
        """
        return self.follow(lambda _: None, function, *args, **kwargs)

    def follow(
        self,
        on_progress: Callable[[Progress], None],
        function: Callable[CallP, ReturnT],
        *args: CallP.args,
        **kwargs: CallP.kwargs,
    ) -> ReturnT:
        """Do the same as `call`, and pass on what the function gives to `report_progress`."""
        with self._lock:
            try:
                pipe = self._connect()
                if self._closed:
                    raise VideoError("The studio is closing.")
                pipe.send((function, args, kwargs))
                while isinstance(message := self._receive(pipe), Progress):
                    on_progress(message)
                error, value = message
            except (EOFError, OSError) as broken:
                self._kill()
                if self._closed:
                    raise VideoError("The studio is closing.") from broken
                raise LimitError(
                    f"The {self.subject} crashed its process. Try another one, or re-encode it."
                ) from broken
            except BaseException:
                self._kill()
                raise
        if error is not None:
            raise error
        result: ReturnT = value
        return result

    def close(self) -> None:
        """Kill the process at once, even during a call, and refuse further calls."""
        self._closed = True
        # Not under the lock, which a running call holds until its process ends.
        with suppress(ValueError):  # the call has just closed the process itself
            if (process := self._process) is not None:
                process.kill()
        with self._lock:
            self._kill()

    def _receive(self, pipe: Connection) -> Any:
        if not pipe.poll(self.max_seconds):
            raise LimitError(
                f"The {self.subject} took more than {self.max_seconds:g} s. Try a smaller one."
            )
        return pipe.recv()

    def _connect(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            self._kill()
            # A forked process would inherit locks of other threads that are held for ever.
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve_calls,
                args=(
                    theirs,
                    self.max_bytes,
                    self.subject,
                    self.niceness,
                    self.folder,
                    self.modules,
                ),
                daemon=True,
            )
            try:
                with starting_processes():
                    process.start()
            except OSError as error:
                raise VideoError(
                    f"No process could be started for the {self.subject} ({error.strerror})."
                ) from error
            theirs.close()
            self._process, self._pipe = process, ours
            if not self._closed and ours.poll(MAX_START_SECONDS):
                ours.recv()  # it is ready
        return self._pipe

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


class WorkerPool:
    """Several processes for short calls; each call takes an idle one, or waits for it.

    Args:
        processes: How many.
        max_bytes: Memory limit of each.
        subject: What the calls work on, for error messages.
        folder: Where they write temporary files.
        modules: What they import when they start.
    """

    def __init__(
        self,
        processes: int,
        *,
        max_bytes: int,
        subject: str,
        folder: Path,
        modules: Sequence[str],
    ) -> None:
        self._workers = [
            Worker(max_bytes=max_bytes, subject=subject, folder=folder, modules=modules)
            for _ in range(processes)
        ]
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()  # the last one is warm
        for worker in self._workers:
            self._idle.put(worker)

    def call(
        self,
        max_seconds: float,
        function: Callable[CallP, ReturnT],
        *args: CallP.args,
        **kwargs: CallP.kwargs,
    ) -> ReturnT:
        """Run a function in a process, see `Worker.call`.

        Args:
            max_seconds: Time limit, from when a process is idle.
            function: A function of a module.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Raises:
            LimitError: The call broke a limit, or the process crashed.
            SlicError: The function raised it.
        """
        worker = self._idle.get()
        try:
            worker.max_seconds = max_seconds
            return worker.call(function, *args, **kwargs)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Kill the processes at once, and refuse further calls."""
        for worker in self._workers:
            worker.close()


def _serve_calls(
    pipe: Connection,
    max_bytes: int,
    subject: str,
    niceness: int,
    folder: Path | None,
    modules: Sequence[str],
) -> None:
    """Run calls in the process until the other end of the pipe is closed."""
    global _caller
    _caller = pipe
    for name in ("slic", "libav"):  # the page shows what fails; a terminal need not
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    tempfile.tempdir = None if folder is None else str(folder)
    begin_child(signal.SIG_IGN)  # the studio handles Ctrl-C and ends this process
    if hasattr(os, "nice"):
        os.nice(niceness)
    if resource is not None:
        with suppress(ValueError, OSError):
            # RLIMIT_DATA counts what is allocated; RLIMIT_AS would count mapped libraries as well.
            resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, max_bytes))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, OSError):
        for module in modules:
            importlib.import_module(module)
        pipe.send(None)
        while True:
            function, args, kwargs = pipe.recv()
            pipe.send(_run_call(subject, function, args, kwargs))


def _run_call(
    subject: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[SlicError | None, Any]:
    """Return (None, result), or an error that can be pickled and None."""
    try:
        return None, function(*args, **kwargs)
    except SlicError as error:
        return type(error)(str(error)), None
    except MemoryError:
        return LimitError(f"The {subject} needs too much memory. Try a smaller one."), None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        message = f"The {subject} cannot be used ({reason})."
    return VideoError(message), None
