"""The stages of a task, as every engine runs them in its processes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from slic.engines.base import EmbeddedT, ReadT, ResultT, TaskT, Work
from slic.engines.costs import Costs
from slic.errors import EngineError, SlicError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Read(Generic[ReadT]):
    """What was read for a task, or the error that reading it raised.

    Attributes:
        values: The value; empty after an error.
        error: The error.
        costs: What it took.
    """

    values: tuple[ReadT, ...]
    error: SlicError | None
    costs: Costs


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """The result of a task, or the error that one of its stages raised.

    Attributes:
        results: The result; empty after an error.
        error: The error.
        costs: What all stages took.
    """

    results: tuple[ResultT, ...]
    error: SlicError | None
    costs: Costs


class ReadStage(Generic[TaskT, ReadT]):
    """Reads for one task. It is small and can be sent to other processes."""

    def __init__(self, work: Work[TaskT, ReadT, EmbeddedT, ResultT]) -> None:
        self.read: Callable[[TaskT], ReadT] = work.read
        self.folders = work.folders

    def __call__(self, task: TaskT) -> Read[ReadT]:
        """Return what was read."""
        costs = Costs()
        try:
            require_folders(self.folders)
            with costs.measuring("decode"):
                return Read((self.read(task),), None, costs)
        except SlicError as error:
            return Read((), error, costs)


class EmbedStage(Generic[ReadT, EmbeddedT, ResultT]):
    """Embeds and writes, with an encoder on one device.

    Args:
        work: The stages.
        device: The device.
        gpus: How many GPUs it has; a part of one if others use it too.
    """

    def __init__(
        self,
        work: Work[TaskT, ReadT, EmbeddedT, ResultT],
        device: "torch.device",
        *,
        gpus: float | None = None,
    ) -> None:
        self.embed = work.load(device)
        self.write = work.write
        self.gpus = gpus if gpus is not None else float(device.type == "cuda")

    def __call__(self, reads: Sequence[Read[ReadT]]) -> list[Done[ResultT]]:
        """Return the result of each task."""
        costs = Costs()
        for read in reads:
            costs.add(read.costs)
        try:
            if error := next((read.error for read in reads if read.error), None):
                raise error
            with costs.measuring("embed", gpus=self.gpus):
                embedded = self.embed([value for read in reads for value in read.values])
            with costs.measuring("write"):
                results = [self.write(item) for item in embedded]
        except SlicError as error:
            return [Done((), error, costs)]
        costs_once = [costs, *(Costs() for _ in results[1:])]
        return [Done((one,), None, cost) for one, cost in zip(results, costs_once, strict=True)]


@lru_cache(maxsize=64)
def require_folders(folders: tuple[Path, ...]) -> None:
    """Raise if this machine does not see one of some folders; looked for once in a process.

    Raises:
        EngineError: The message names the folder and the machine.
    """
    for folder in folders:
        if not folder.is_dir():
            raise EngineError(
                f"{folder}: the node {os.uname().nodename} does not see this folder. Put it on a "
                "disk that all nodes mount at the same path."
            )
