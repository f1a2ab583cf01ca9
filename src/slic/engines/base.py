"""What an engine does, and what it is given to do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch

from slic.engines.costs import Costs

TaskT = TypeVar("TaskT")
ReadT = TypeVar("ReadT")
EmbeddedT = TypeVar("EmbeddedT")
ResultT = TypeVar("ResultT")
_ItemT_contra = TypeVar("_ItemT_contra", contravariant=True)
_ValueT_co = TypeVar("_ValueT_co", covariant=True)


@dataclass(frozen=True)
class Work(Generic[TaskT, ReadT, EmbeddedT, ResultT]):
    """What is done for each task, in three stages. All of it is sent to other processes.

    The stages decode, embed and write may raise errors of this package; the first one ends the run.

    Attributes:
        read: Decodes what a task needs, on a CPU. It is sent with each task, so it is small.
        load: Returns, for a device, the function that embeds what was read for several tasks; one
            value for each. It holds the encoder and is sent once.
        write: Stores what was embedded for a task, and returns its result, which is small.
        folders: Folders that every process must see, such as those of videos and results.
    """

    read: Callable[[TaskT], ReadT]
    load: Callable[[torch.device], Callable[[Sequence[ReadT]], Sequence[EmbeddedT]]]
    write: Callable[[EmbeddedT], ResultT]
    folders: tuple[Path, ...] = ()


class Mapped(Protocol[_ItemT_contra, _ValueT_co]):
    """A function of the package, which another process can import."""

    def __call__(self, item: _ItemT_contra, /) -> _ValueT_co:
        """Return the value of an item."""


class Engine(AbstractContextManager["Engine"], Protocol):
    """Where work on many videos is done. It is used as a context manager.

    Attributes:
        costs: What the work took so far, by stage.
    """

    costs: Costs

    def check_folders(self, folders: Sequence[Path]) -> None:
        """Check that every machine sees some folders.

        Raises:
            EngineError: One does not; the message names it.
        """

    def map(
        self, function: Mapped[TaskT, ResultT], items: Sequence[TaskT], *, stage: str
    ) -> Iterator[ResultT]:
        """Give the value of each item, as they come.

        Args:
            function: Computed on CPUs.
            items: What it takes.
            stage: Name under which the costs are noted.
        """

    def run(
        self, work: Work[TaskT, ReadT, EmbeddedT, ResultT], tasks: Sequence[TaskT]
    ) -> Iterator[ResultT]:
        """Give the result of each task, as they come. A lost process costs its unfinished tasks.

        Args:
            work: The stages.
            tasks: What they are for, the largest first.

        Raises:
            SlicError: A stage failed, or the engine cannot go on.
        """
