"""Hand batches from loading processes to the main process where shared memory is small.

PyTorch puts batches into ``/dev/shm``, which has 64 MB in a container by default. A process that
writes more than there is dies of a bus error. Batches that do not fit go through the pipe to the
main process instead: another copy, but no limit.
"""

import io
import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

SHARED_MEMORY: Final = Path("/dev/shm")
_warned: list[int] = []
_log = logging.getLogger("slic")


@dataclass(frozen=True)
class Piped:
    """The samples of a batch on their way through a pipe.

    Attributes:
        content: The samples, pickled without shared memory.
        collate: Makes the batch of them.
        length: Bytes of the batch.
        free: Bytes that were free in shared memory.
    """

    content: bytes
    collate: Callable[[Any], Any]
    length: int
    free: int

    def open(self) -> Any:
        """Return the batch."""
        return self.collate(pickle.loads(self.content))


@dataclass(frozen=True)
class FittingSharedMemory:
    """Makes a batch, or packs its samples for the pipe if shared memory has no room for it.

    Args:
        collate: Makes a batch of samples. PyTorch's own does so in shared memory.
        workers: Processes that may put a batch there at the same time.
    """

    collate: Callable[[Any], Any]
    workers: int

    def __call__(self, samples: Any) -> Any:
        """Return a batch in shared memory, or `Piped`."""
        free = free_shared_memory()
        if free is None:
            return self.collate(samples)
        length = sum(map(_length, _arrays(samples)))
        if length * (self.workers + 1) <= free:
            try:
                batch = self.collate(samples)
                for array in _arrays(batch):  # now, and not in the thread that sends it
                    if isinstance(array, Tensor):
                        array.share_memory_()  # type: ignore[no-untyped-call]
            except RuntimeError as error:
                if "shared memory" not in str(error):
                    raise
            else:
                return batch
        content = pickle.dumps(samples, protocol=pickle.HIGHEST_PROTOCOL)
        return Piped(content, self.collate, length, free)


def free_shared_memory(folder: Path = SHARED_MEMORY) -> int | None:
    """Return how many bytes processes may still share; None where this is not known."""
    try:
        status = os.statvfs(folder)
    except (AttributeError, OSError):  # Windows; or no such folder, and the system has another way
        return None if not Path("/proc").is_dir() else 0
    return status.f_bavail * status.f_frsize


def warn_of_small_memory(batch: Piped) -> None:
    """Say once that batches do not fit, and what to do about it."""
    if not _warned:
        _warned.append(batch.length)
        _log.warning(
            "/dev/shm has %.1f MB free, which is little for batches of %.1f MB; they go through "
            "pipes, which is slower. Start the container with --shm-size=2g.",
            batch.free / 1e6,
            batch.length / 1e6,
        )


def _length(array: Tensor | np.ndarray) -> int:
    return array.numel() * array.element_size() if isinstance(array, Tensor) else array.nbytes


def _arrays(batch: Any) -> list[Tensor | np.ndarray]:
    """Return the tensors and arrays of a batch of any form."""
    finder = _Finder(io.BytesIO(), protocol=pickle.HIGHEST_PROTOCOL)
    finder.dump(batch)
    return finder.found


class _Finder(pickle.Pickler):
    """Visits the parts of an object, and leaves the contents of arrays out."""

    def __init__(self, file: io.BytesIO, *, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self.found: list[Tensor | np.ndarray] = []

    def persistent_id(self, item: Any) -> str | None:
        """Keep an array, and write its kind only."""
        if not isinstance(item, Tensor | np.ndarray):
            return None
        self.found.append(item)
        return "array"
