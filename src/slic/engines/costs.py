"""What work costs: hours of processors and GPUs, by stage."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from slic.videos.isolation import cpu_seconds

_HOUR = 3600.0
ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")


@dataclass
class Costs:
    """Seconds of work by the name of the stage.

    Attributes:
        cpu_seconds: Time on processors, of all threads and of the decoding processes.
        gpu_seconds: Time that a GPU was held for a stage, times its share if several use it.
    """

    cpu_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    gpu_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: "Costs") -> None:
        """Add what other work took."""
        for stage, seconds in other.cpu_seconds.items():
            self.cpu_seconds[stage] += seconds
        for stage, seconds in other.gpu_seconds.items():
            self.gpu_seconds[stage] += seconds

    @contextmanager
    def measuring(self, stage: str, *, gpus: float = 0.0) -> Iterator[None]:
        """Add what the block takes in this process and its decoding processes.

        Args:
            stage: Name of the stage.
            gpus: How many GPUs it holds; a part of one if others use it too.
        """
        cpu, wall = _cpu_seconds(), time.monotonic()
        try:
            yield
        finally:
            self.cpu_seconds[stage] += max(0.0, _cpu_seconds() - cpu)
            if gpus:
                self.gpu_seconds[stage] += gpus * (time.monotonic() - wall)

    def to_document(self) -> dict[str, Any]:
        """Return hours by stage, as plain values."""
        hours = {"cpu_hours": self.cpu_seconds, "gpu_hours": self.gpu_seconds}
        return {
            name: {stage: seconds / _HOUR for stage, seconds in counter.items()}
            for name, counter in hours.items()
        }

    def __str__(self) -> str:
        """Return one line, such as ``2.1 CPU-hours (decode 1.5, embed 0.6)``."""
        kinds = {"CPU": self.cpu_seconds, "GPU": self.gpu_seconds}
        return ", ".join(_describe(kind, counter) for kind, counter in kinds.items() if counter)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and its decoding processes, also of those that ended."""
    ended = 0.0
    with suppress(ImportError):
        import resource  # not on Windows

        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = usage.ru_utime + usage.ru_stime
    return cpu_seconds() + ended


def _describe(kind: str, seconds: Mapping[str, float]) -> str:
    total = sum(seconds.values())
    unit, length = ("hours", _HOUR) if total >= _HOUR / 10 else ("seconds", 1.0)
    stages = ", ".join(f"{stage} {value / length:.2f}" for stage, value in seconds.items())
    return f"{total / length:.2f} {kind}-{unit} ({stages})"


def map_items(
    function: Callable[[ItemT], ValueT], stage: str, items: Sequence[ItemT]
) -> tuple[list[ValueT], Costs]:
    """Return the values of some items, and what they took."""
    costs = Costs()
    with costs.measuring(stage):
        return [function(item) for item in items], costs
