"""Trying a request again: which failures are worth it, how often, and how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from errno import EACCES, EIO, ENOENT, ESTALE
from typing import TypeVar

MOST_WAIT_SECONDS = 30.0
ReturnT = TypeVar("ReturnT")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a request may take.

    Attributes:
        tries: Of one request, the first one included.
        wait_seconds: Before the second try; each later one waits twice as long.
        total_seconds: Of all tries of a request.
        connect_seconds: Until a connection is there.
        silent_seconds: Without a byte from the server.
        bytes_each_second: A server that is slower for longer than ``silent_seconds`` is given up.
    """

    tries: int = 5
    wait_seconds: float = 0.5
    total_seconds: float = 120.0
    connect_seconds: float = 10.0
    silent_seconds: float = 30.0
    bytes_each_second: int = 1 << 15

    def seconds_of(self, size: int) -> float:
        """Return how long one try for this many bytes may take."""
        return self.connect_seconds + self.silent_seconds + size / self.bytes_each_second


class TransientError(Exception):
    """A try failed in a way that another one may not.

    Attributes:
        after_seconds: How long the server asks to wait; 0 if it does not.
    """

    def __init__(self, reason: str, *, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


def missing() -> FileNotFoundError:
    """Return the error of an object that is not there."""
    return FileNotFoundError(ENOENT, "there is no such object, or no such bucket (404)")


def refused(why: str) -> PermissionError:
    """Return the error of an object that may not be read."""
    return PermissionError(EACCES, f"the storage refuses access ({why})")


def changed() -> OSError:
    """Return the error of an object that has another version now."""
    return OSError(ESTALE, "the object has changed since it was listed; scan again")


def unusable(why: str) -> OSError:
    """Return the error of a server that cannot be used."""
    return OSError(EIO, why)


def tried(request: Callable[[], ReturnT], limits: Limits) -> ReturnT:
    """Return what a request returns, after some tries if need be.

    Raises:
        OSError: Every try failed, or one failed for good.
    """
    began = time.monotonic()
    for number in range(1, limits.tries + 1):
        try:
            return request()
        except TransientError as error:
            wait = limits.wait_seconds * 2 ** (number - 1) * random.uniform(0.75, 1.25)
            wait = min(max(wait, error.after_seconds), MOST_WAIT_SECONDS)
            spent = time.monotonic() - began
            if number == limits.tries or spent + wait > limits.total_seconds:
                raise OSError(
                    EIO, f"the storage does not answer as it should ({error}; {number} tries)"
                ) from None
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def check_status(status: int, *, after: str | None = None) -> None:
    """Raise for a status of HTTP that is not success.

    Args:
        status: The status.
        after: The header ``Retry-After``.

    Raises:
        OSError: Another try would fail too.
        TransientError: It may not.
    """
    if status < 300:
        return
    if status in (404, 410):
        raise missing()
    if status in (401, 403):
        raise refused(str(status))
    if status == 412:
        raise changed()
    if status in (408, 425, 429) or status >= 500:
        seconds = float(after) if after and after.isdecimal() else 0.0
        raise TransientError(f"status {status}", after_seconds=seconds)
    raise unusable(f"the storage answers with status {status}")


def check_range(text: str | None, start: int, end: int, size: int) -> None:
    """Check the header ``Content-Range`` of an answer.

    Raises:
        OSError: The object has another size now.
        TransientError: It is not the range that was asked for.
    """
    place, _, total = (text or "").removeprefix("bytes").strip().partition("/")
    if total.isdecimal() and int(total) != size:
        raise changed()
    if place != f"{start}-{end - 1}":
        raise TransientError(f"bytes {text or 'of no range'} came instead of {start}-{end - 1}")
