"""Load clips in worker processes."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from slic.clips.transport import FittingSharedMemory, Piped, warn_of_small_memory
from slic.errors import SlicError
from slic.machine import has_semaphores
from slic.signals import STOP_SIGNALS, begin_child, starting_processes

ItemT = TypeVar("ItemT")
_LOST: Final = (
    "a loading process died, probably because memory ran out. Use fewer (--workers, for "
    "`slic pretrain` --train.workers), or start the container with --shm-size=2g. Then run the "
    "same command again, with --resume if the verb has it."
)
_NO_SHARED_MEMORY: Final = (
    "processes cannot share memory here (/dev/shm is missing, full or read-only), so the main "
    "process loads the videos, which is slower. Start the container with --shm-size=2g."
)
_log = logging.getLogger("slic")


class LostWorkerError(SlicError):
    """Worker processes die again and again, probably because memory runs out."""


class WorkerLoader(DataLoader[ItemT]):
    """A ``DataLoader`` whose workers use one thread each and ignore signals.

    Signals are left to the main process, which can save its state. A worker that died of a signal
    would make it fail instead. An error of this package keeps its message when it crosses from a
    worker; PyTorch alone would put a traceback before it.

    If a worker dies, new ones continue with the batch that is missing; the batches are the same.
    A stream, an ``IterableDataset``, cannot continue in its middle.

    Batches that do not fit into shared memory come through pipes; see `slic.clips.transport`.

    Args:
        dataset: Where the items come from.
        workers: Number of worker processes. 0 loads in the main process.
        settings: Further arguments of ``DataLoader``.

    Raises:
        LostWorkerError: While iterating: workers died twice at the same batch, or in a stream.
    """

    def __init__(self, dataset: Dataset[ItemT], *, workers: int, **settings: Any) -> None:
        if workers and not has_semaphores():
            _warn_of_no_memory()
            workers = 0
            settings |= {"persistent_workers": False, "prefetch_factor": None}
        if workers:  # OpenCV's thread pool does not survive a fork; the workers would deadlock
            cv2.setNumThreads(1)
        super().__init__(dataset, num_workers=workers, worker_init_fn=_init_worker, **settings)
        if workers:
            self.collate_fn = FittingSharedMemory(self.collate_fn, workers)

    def __iter__(self) -> Iterator[ItemT]:  # type: ignore[override]
        done, lost_at = 0, -1
        while True:
            try:
                for item in self._items_from(done):
                    done += 1
                    yield self._opened(item)
                return
            except SlicError as error:
                kind = type(error)
                *_, message = str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
                raise kind(message.rstrip("\n")) from error
            except (RuntimeError, ConnectionError, EOFError) as error:
                if not (self.num_workers and _tells_of_lost_worker(error)):
                    raise
                self._iterator = None  # persistent workers cannot be used again
                if done == lost_at or isinstance(self.dataset, IterableDataset):
                    raise LostWorkerError(_LOST) from error
                _log.warning("a loading process died (out of memory?); new ones continue.")
                lost_at = done

    def _items_from(self, first: int) -> Iterator[ItemT]:
        """Give the items from a place on.

        PyTorch's handler of SIGCHLD is not kept: it raises in the middle of a training step, which
        is then lost. Without it, the error comes when the batch is asked for.
        """
        loader: DataLoader[ItemT] = self._rest(first) if first else self
        if not self.num_workers:
            return DataLoader.__iter__(loader)
        handler = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
        with starting_processes():
            items = DataLoader.__iter__(loader)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, handler)
        return items

    def _opened(self, item: Any) -> ItemT:
        """Return an item, also if it came through a pipe."""
        if isinstance(item, Piped):
            warn_of_small_memory(item)
            item = item.open()
        opened: ItemT = item
        return opened

    def _rest(self, first: int) -> DataLoader[ItemT]:
        """Return a loader of the remaining items."""
        settings: dict[str, Any] = {"num_workers": self.num_workers, "pin_memory": self.pin_memory}
        settings["collate_fn"] = self.collate_fn
        if self.batch_sampler is None:  # single items
            settings |= {"sampler": [*islice(self.sampler, first, None)], "batch_size": None}
        else:
            settings["batch_sampler"] = [*islice(self.batch_sampler, first, None)]
        return DataLoader(self.dataset, worker_init_fn=_init_worker, **settings)


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


def _tells_of_lost_worker(error: Exception) -> bool:
    """Return whether PyTorch says that a worker died, or it died while it handed over a batch."""
    handing_over = isinstance(error, ConnectionError | EOFError)
    return handing_over or str(error).startswith("DataLoader worker")


@cache
def _warn_of_no_memory() -> None:
    _log.warning(_NO_SHARED_MEMORY)


def _init_worker(_: int) -> None:
    """Use one thread, ignore Ctrl-C and SIGHUP, and exit on SIGTERM only of the main process.

    A keyboard, a launcher or a batch system signals every process of the group. The main process
    also uses SIGTERM to end its workers, so the sender is compared.
    """
    begin_child(signal.SIG_IGN, unblock={*STOP_SIGNALS} - {signal.SIGTERM})
    if hasattr(signal, "sigwaitinfo"):  # missing on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_exit_on_sigterm_from, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _exit_on_sigterm_from(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
