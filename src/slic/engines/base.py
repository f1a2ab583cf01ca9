"""What an engine does, and what it is given to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from slic.engines.costs import Costs

if TYPE_CHECKING:  # processes that scan need no PyTorch, which takes seconds to import
    import torch

TaskT = TypeVar("TaskT")
ReadT = TypeVar("ReadT")
EmbeddedT = TypeVar("EmbeddedT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Work(Generic[TaskT, ReadT, EmbeddedT, ResultT]):
    """What is done for each task, in three stages. All of it is sent to other processes.

    The stages decode, embed and write may raise errors of this package; the first one ends the run.

    Attributes:
        read: Decodes what a task needs, on a CPU. It is sent with each task, so it is small.
        load: Returns, for a device, the function that embeds what was read for several tasks; one
            value for each. It holds the encoder and is sent once.
        write: Stores what was embedded for a task, and returns its result, which is small.
        clips: How many clips a task has, or windows of them. An engine may send small tasks
            together.
        folders: Folders that every process must see, such as those of videos and results.
    """

    read: Callable[[TaskT], ReadT]
    load: "Callable[[torch.device], Callable[[Sequence[ReadT]], Sequence[EmbeddedT]]]"
    write: Callable[[EmbeddedT], ResultT]
    clips: Callable[[TaskT], int]
    folders: tuple[Path, ...] = ()


@runtime_checkable
class Engine(Protocol):
    """Where work on many videos is done. It is used as a context manager.

    Attributes:
        costs: What the work took so far, by stage.
    """

    costs: Costs

    def __enter__(self) -> "Engine":
        """Connect."""

    def __exit__(self, *_: object) -> None:
        """End what was started."""

    def check_folders(self, folders: Sequence[Path]) -> None:
        """Check that every machine sees some folders.

        Raises:
            EngineError: One does not; the message names it.
        """

    def map(
        self, function: Callable[[TaskT], ResultT], items: Sequence[TaskT], *, stage: str
    ) -> Iterator[ResultT]:
        """Give the value of each item, as they come.

        Args:
            function: A function of a module, computed on CPUs.
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
