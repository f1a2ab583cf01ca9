"""Signals that ask a process to end: Ctrl-C, SIGTERM, and SIGHUP of a closed terminal."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_log = logging.getLogger("slic")


class StopRequested(Exception):
    """A signal ended the work; its state is saved. Not an error.

    Attributes:
        number: The signal.
    """

    number: int = signal.SIGINT


class Interrupted(KeyboardInterrupt):
    """A signal interrupts the work at any place, as Ctrl-C does.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: BaseException) -> int:
    """Return the exit code after a signal, as shells have it: 130, 143 or 129."""
    return 128 + int(getattr(stop, "number", signal.SIGINT))


@contextmanager
def stop_at_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether a signal asked to stop.

    A second signal interrupts at once. A signal that is ignored, such as SIGHUP under ``nohup``,
    stays ignored. Outside the main thread, signals are left alone.
    """
    asked: list[int] = []

    def request(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise Interrupted(number)
        asked.append(number)
        _log.warning("stopping as soon as the state can be saved; another signal stops at once.")

    with _handling(request):
        try:
            yield lambda: bool(asked)
        except StopRequested as stop:
            stop.number = asked[0] if asked else stop.number
            raise


@contextmanager
def interrupt_at_signals() -> Iterator[None]:
    """Raise `Interrupted` at the first signal, so that files are closed and processes end."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handling(interrupt):
        yield


@contextmanager
def starting_processes() -> Iterator[None]:
    """Keep Ctrl-C from processes that start meanwhile, until they call `begin_child`.

    A terminal sends it to them too. While Python starts and imports, they would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
    """Set the handler of Ctrl-C in a process that began in `starting_processes`."""
    signal.signal(signal.SIGINT, handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Set the handler of all signals that are not ignored, and restore the former ones."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    handled = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in handled}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
