"""A process of its own for files that a stranger may have made.

It may take so much time and memory and no more; when it takes more, or the decoder crashes, it is
ended and the next call starts another. The studio goes on.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar

from slic.errors import SlicError, VideoError

try:
    import resource
except ImportError:  # Windows: no limit of memory there, only of time
    resource = None  # type: ignore[assignment]

MEMORY_BYTES = 6 << 30
SECONDS = 120.0

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """One process that is given one call at a time; any thread may call."""

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        subject: str = "video",
        niceness: int = 0,
    ) -> None:
        self.subject = subject
        self.seconds = seconds
        self.memory_bytes = memory_bytes
        self.niceness = niceness
        self._closed = False
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function of a module returns, computed in the process.

        Raises:
            VideoError: It took too long, or too much memory, or crashed.
            SlicError: The function raised one.
        """
        with self._lock:
            try:
                pipe = self._connected()
                if self._closed:
                    raise VideoError("The studio is closing.")
                pipe.send((function, args, kwargs))
                if not pipe.poll(self.seconds):
                    raise VideoError(
                        f"The {self.subject} took more than {self.seconds:g} s; try a smaller one."
                    )
                error, value = pipe.recv()
            except (EOFError, OSError) as broken:
                self._end()
                raise VideoError(
                    f"The {self.subject} made its process crash; try another, or re-encode it."
                ) from broken
            except BaseException:
                self._end()
                raise
        if error is not None:
            raise error
        result: T = value
        return result

    def close(self) -> None:
        """End the process at once, also in the middle of a call, and start no other."""
        self._closed = True
        with suppress(ValueError):  # it has just ended by itself
            if (process := self._process) is not None:
                process.kill()
        with self._lock:
            self._end()

    def _connected(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            self._end()
            context = multiprocessing.get_context("spawn")  # no thread or lock of ours is copied
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(theirs, self.memory_bytes, self.subject, self.niceness),
                daemon=True,
            )
            try:
                process.start()
            except OSError as error:
                raise VideoError(
                    f"No process could be started for the {self.subject} ({error.strerror})."
                ) from error
            theirs.close()
            self._process, self._pipe = process, ours
        return self._pipe

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, memory_bytes: int, subject: str, niceness: int) -> None:
    """Answer calls until the other end goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the studio's
    if hasattr(os, "nice"):
        os.nice(niceness)
    if resource is not None:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, OSError):
        while True:
            function, args, kwargs = pipe.recv()
            pipe.send(_outcome(subject, function, args, kwargs))


def _outcome(
    subject: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[SlicError | None, Any]:
    try:
        return None, function(*args, **kwargs)
    except SlicError as error:
        return type(error)(str(error)), None
    except MemoryError:
        refused = f"The {subject} takes too much memory; try a smaller one."
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        refused = f"The {subject} cannot be used ({reason})."
    return VideoError(refused), None
