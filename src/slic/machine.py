"""What this process may use of the machine: cores and memory, also in a container."""

import math
import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/")
_THREADS: Final = "OMP_NUM_THREADS"


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use: by its affinity, and the quota of a container.

    A part of a core counts as one.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    cores, quota = affinity_cores(), processor_quota(root)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def affinity_cores() -> int:
    """Return on how many cores this process may run; not every system can restrict them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(environment: MutableMapping[str, str], root: Path = _ROOT) -> None:
    """Let libraries start one thread for each core that a container may use.

    PyTorch, OpenBLAS and FAISS see all cores of the machine, and read ``OMP_NUM_THREADS`` when they
    are loaded. More threads than the quota allows are stopped in turn and slow each other down.

    Args:
        environment: Of this process and those that it starts; what it says already stays.
        root: Where ``proc`` and ``sys`` are.
    """
    if (cores := usable_cores(root)) < affinity_cores():
        environment.setdefault(_THREADS, str(cores))


def has_semaphores(count: int = 64) -> bool:
    """Return whether processes can share semaphores, which the pools of Python need.

    Linux keeps them in ``/dev/shm``, which may be missing, full or read-only in a container.

    Args:
        count: How many; a pool needs some for each process.
    """
    try:
        context = get_context()  # that of spawn would start a process that keeps track of them
        return bool([context.Semaphore() for _ in range(count)])
    except OSError:
        return False


def processor_quota(root: Path = _ROOT) -> float | None:
    """Return how many cores' time the control groups of this process allow; None for all."""
    quotas = []
    for folder in _groups(root, "cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):
            most, period = (folder / "cpu.max").read_text().split()
            quotas.append(int(most) / int(period))  # "max" is a ValueError
        with suppress(OSError, ValueError, ZeroDivisionError):  # version 1
            if (microseconds := int((folder / "cpu.cfs_quota_us").read_text())) > 0:
                quotas.append(microseconds / int((folder / "cpu.cfs_period_us").read_text()))
    return min((quota for quota in quotas if quota > 0), default=None)


def memory_limit(root: Path = _ROOT) -> int | None:
    """Return how many bytes the control groups of this process allow; None for all."""
    limits = []
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                limits.append(int((folder / name).read_text()))  # "max" is a ValueError
    return min(limits, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Give the folders of the control groups of this process that may limit something.

    A limit of an outer group holds for the inner ones too. In a container the top folder is often
    its own group, whatever the path in ``proc`` says.
    """
    mounts = root / "sys/fs/cgroup"
    tops = {mounts, mounts / "unified", mounts / controller}
    inner: list[tuple[Path, str]] = []
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().split():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                inner += [(mounts, path), (mounts / "unified", path)]
            elif controller in controllers.split(","):
                tops |= {mounts / controllers}
                inner += [(mounts / controllers, path), (mounts / controller, path)]
    yield from tops
    for top, path in inner:
        folder = top / path.lstrip("/")
        yield from (one for one in (folder, *folder.parents) if top in one.parents)
