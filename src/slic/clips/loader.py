"""Loading in worker processes, for clips of every kind."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from slic.errors import SlicError

Sample = TypeVar("Sample")


class WorkerLoader(DataLoader[Sample]):
    """A `DataLoader` whose workers decode on one thread each and leave signals to the main process.

    That process can save; a worker that a signal ended would end it with an error. What a worker
    raises is raised here with its own message: torch puts a traceback before it.

    Args:
        dataset: Where the samples come from.
        workers: Processes; 0 loads in this one.
        settings: Of `DataLoader`.
    """

    def __init__(self, dataset: Dataset[Sample], *, workers: int, **settings: Any) -> None:
        if workers:  # OpenCV's threads would not survive the fork, and be waited for for ever
            cv2.setNumThreads(1)
        super().__init__(dataset, num_workers=workers, worker_init_fn=_become_quiet, **settings)

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        try:
            yield from super().__iter__()
        except SlicError as error:
            kind = type(error)
            *_, message = str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
            raise kind(message.rstrip("\n")) from error


def _become_quiet(_: int) -> None:
    """Give a worker one thread, and leave Ctrl-C and SIGTERM to the process that can save.

    Both reach all processes of a group: from the keyboard, a launcher or a batch system. SIGTERM is
    also how that process ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_told_by, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _end_when_told_by(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
