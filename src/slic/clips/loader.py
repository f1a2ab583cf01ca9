"""Load clips in worker processes."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from slic.errors import SlicError

ItemT = TypeVar("ItemT")


class WorkerLoader(DataLoader[ItemT]):
    """A ``DataLoader`` whose workers use one thread each and ignore Ctrl-C and SIGTERM.

    Signals are left to the main process, which can save its state. A worker that died of a signal
    would make it fail instead. An error of this package keeps its message when it crosses from a
    worker; PyTorch alone would put a traceback before it.

    Args:
        dataset: Where the items come from.
        workers: Number of worker processes. 0 loads in the main process.
        settings: Further arguments of ``DataLoader``.
    """

    def __init__(self, dataset: Dataset[ItemT], *, workers: int, **settings: Any) -> None:
        if workers:  # OpenCV's thread pool does not survive a fork; the workers would deadlock
            cv2.setNumThreads(1)
        super().__init__(dataset, num_workers=workers, worker_init_fn=_init_worker, **settings)

    def __iter__(self) -> Iterator[ItemT]:  # type: ignore[override]
        try:
            yield from super().__iter__()
        except SlicError as error:
            kind = type(error)
            *_, message = str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
            raise kind(message.rstrip("\n")) from error


def batch_loader(
    dataset: Dataset[ItemT], batches: Sampler[list[Any]], *, workers: int
) -> WorkerLoader[ItemT]:
    """Return a loader of training batches whose workers live as long as the run.

    Args:
        dataset: The samples.
        batches: Gives the indices of each batch. It may change between epochs.
        workers: Number of worker processes. 0 loads in the main process.
    """
    return WorkerLoader(
        dataset,
        workers=workers,
        batch_sampler=batches,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )


def _init_worker(_: int) -> None:
    """Use one thread, ignore Ctrl-C, and exit on SIGTERM only if the main process sent it.

    A keyboard, a launcher or a batch system signals every process of the group. The main process
    also uses SIGTERM to end its workers, so the sender is compared.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # missing on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_on_sigterm_from, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _exit_on_sigterm_from(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
