"""The worker goes on after time-outs, too much memory, crashes and errors."""

import errno
import json
import operator
import os
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from slic.errors import CatalogError, VideoError
from slic.files import read_csv
from slic.studio.worker import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker(max_bytes=1 << 30)
    yield made
    made.close()


def test_a_call_returns_the_result(worker: Worker) -> None:
    assert worker.call(operator.add, 2, 3) == 5


@pytest.mark.parametrize(
    ("function", "given", "kind", "message"),
    [
        (bytearray, 2 << 30, VideoError, "needs too much memory"),
        (read_csv, Path("/nowhere"), CatalogError, "^/nowhere: cannot be read"),
        (json.loads, "{", VideoError, "cannot be used .Expecting property name"),
        (os._exit, 1, VideoError, "crashed its process"),
    ],
)
def test_the_worker_goes_on_after_an_error(
    worker: Worker,
    function: Callable[..., Any],
    given: Any,
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        worker.call(function, given)
    assert worker.call(operator.add, 1, 1) == 2


def test_a_call_that_takes_too_long_is_ended() -> None:
    worker = Worker(max_seconds=60.0)
    worker.call(operator.add, 1, 1)  # so that the start of the process does not count
    worker.max_seconds = 0.2
    with pytest.raises(VideoError, match=r"more than 0\.2 s"):
        worker.call(time.sleep, 60)
    worker.close()


def test_a_process_that_does_not_start_is_an_error_of_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    unused, worker = Worker(), Worker()
    with monkeypatch.context() as patch:
        patch.setattr(SpawnProcess, "start", fail)
        for one in (unused, worker):
            with pytest.raises(VideoError, match="No process could be started"):
                one.call(operator.add, 1, 1)
    unused.close()
    assert worker.call(operator.add, 1, 1) == 2
    worker.close()


def test_closing_ends_a_running_call() -> None:
    worker = Worker()
    worker.call(operator.add, 1, 1)
    errors = []

    def call() -> None:
        try:
            worker.call(time.sleep, 60)
        except VideoError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.1)
    worker.close()
    thread.join(10)
    assert len(errors) == 1
    with pytest.raises(VideoError, match="closing"):
        worker.call(operator.add, 1, 1)
