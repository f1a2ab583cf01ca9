"""Signals that ask a process to end: Ctrl-C, SIGTERM, and SIGHUP of a closed terminal."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
STOPPED: Final = "stopped. The same command continues."
_RAISE_AGAIN_SECONDS: Final = 0.05
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


class StopRequest:
    """Tells whether a signal asked to stop.

    Attributes:
        at_once: Whether a signal interrupts now, because there is nothing to save.
        number: The first signal; None before it.
    """

    def __init__(self) -> None:
        self.at_once = False
        self.number: int | None = None

    def __call__(self) -> bool:
        """Return whether a signal came."""
        return self.number is not None

    def interrupt_from_now_on(self) -> None:
        """Let the next signal interrupt, or the one that came before."""
        self.at_once = True
        if self.number is not None:
            raise Interrupted(self.number)


@contextmanager
def stop_at_ctrl_c() -> Iterator[StopRequest]:
    """Give a function that tells whether a signal asked to stop.

    A second signal interrupts at once. A signal that is ignored, such as SIGHUP under ``nohup``,
    stays ignored. Outside the main thread, signals are left alone.
    """
    asked = StopRequest()

    def request(number: int, _frame: FrameType | None) -> None:
        if asked() or asked.at_once:
            raise Interrupted(number)
        asked.number = number
        _log.warning("stopping as soon as the state can be saved; another signal stops at once.")

    with _handling(request):
        try:
            yield asked
        except StopRequested as stop:
            stop.number = asked.number or stop.number
            raise


@contextmanager
def interrupt_at_signals() -> Iterator[None]:
    """Raise `Interrupted` at the first signal, so that files are closed and processes end."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    former = sys.unraisablehook

    def raise_again(unraisable: Any) -> None:
        """Repeat a signal that came while an object was finalized: its exception is lost there."""
        if isinstance(lost := unraisable.exc_value, Interrupted):
            repeat = threading.Timer(_RAISE_AGAIN_SECONDS, _send_to_main_thread, (lost.number,))
            repeat.daemon = True
            repeat.start()
        else:
            former(unraisable)

    sys.unraisablehook = raise_again
    try:
        with _handling(interrupt):
            yield
    except RuntimeError as error:  # Python 3.11 wraps what is raised while it makes a class
        if isinstance(error.__cause__, Interrupted):
            raise error.__cause__ from None
        raise
    finally:
        sys.unraisablehook = former


def _send_to_main_thread(number: int) -> None:
    if not callable(signal.getsignal(number)):  # after the block it would end the process
        return
    if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident):
        signal.pthread_kill(main, number)  # this also ends a wait
    else:
        signal.raise_signal(number)


def end_at_signals() -> None:
    """End the process at a signal with one line, while modules load and after the work.

    An exception would end in a traceback there. A signal that is ignored stays ignored.
    """

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        os.write(2, f"slic: {STOPPED}\n".encode())
        os._exit(128 + number)

    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


@contextmanager
def starting_processes() -> Iterator[None]:
    """Keep signals from processes that start meanwhile, until they call `begin_child`.

    A terminal sends Ctrl-C and SIGHUP to them too, and a batch system SIGTERM. While Python starts
    and imports, they would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # processes inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child(
    handler: Callable[[int, FrameType | None], Any] | signal.Handlers,
    *,
    unblock: Collection[int] = STOP_SIGNALS,
) -> None:
    """Set the handler of Ctrl-C and SIGHUP in a process that began in `starting_processes`.

    SIGTERM ends it, unless it has set a handler. A signal that is ignored stays ignored.

    Args:
        handler: The handler.
        unblock: Signals that may come from now on.
    """
    for number in STOP_SIGNALS:
        if number != signal.SIGTERM and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, unblock)


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
