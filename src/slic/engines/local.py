"""The engine of this machine: one embedding process for each device, each fed by decoders."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import Dataset

from slic.arguments import one_line
from slic.clips.loader import WorkerLoader
from slic.engines.base import EmbeddedT, ReadT, ResultT, TaskT, Work
from slic.engines.costs import Costs
from slic.engines.devices import Devices, local_devices
from slic.engines.stages import Done, EmbedStage, Read, ReadStage
from slic.errors import EngineError, RecipeError, SlicError
from slic.machine import usable_cores
from slic.signals import starting_processes
from slic.videos.preparing import begin_worker

_DIED: Final = (
    "an embedding process died, probably because memory ran out. Use fewer devices or fewer "
    "decoding processes; the same command continues."
)
_READ_AHEAD: Final = 2  # tasks for each decoding process


class LocalEngine:
    """Embeds with several devices of this machine, in one process for each.

    Args:
        workers: Processes that decode for each device; 0 decodes in the embedding process.
        devices: See `slic.engines.devices.local_devices`.
        address: Must be None.

    Raises:
        RecipeError: The machine does not have these devices, or an address is given.

    Example:
        >>> with LocalEngine(devices="all") as engine:
        ...     update_index(index, catalog, engine=engine)
    """

    def __init__(
        self, *, workers: int = 2, devices: Devices = None, address: str | None = None
    ) -> None:
        if address is not None:
            raise RecipeError(f"address {address!r}: the engine 'local' uses this machine alone.")
        self.workers = workers
        self.devices = local_devices(devices)
        self.costs = Costs()

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open."""

    def check_folders(self, folders: Sequence[Path]) -> None:
        """Do nothing: this machine sees what it sees."""

    def map(
        self, function: Callable[[TaskT], ResultT], items: Sequence[TaskT], *, stage: str
    ) -> Iterator[ResultT]:
        """Give the value of each item, as they come; see `slic.engines.base.Engine`.

        Threads do it, because what takes long is done in decoding processes or outside of Python.
        """
        with self.costs.measuring(stage), ThreadPoolExecutor(usable_cores()) as pool:
            futures = [pool.submit(function, item) for item in items]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:  # also after Ctrl-C: do not begin what nobody waits for
                pool.shutdown(cancel_futures=True)

    def run(
        self, work: Work[TaskT, ReadT, EmbeddedT, ResultT], tasks: Sequence[TaskT]
    ) -> Iterator[ResultT]:
        """Give the result of each task, as they come; see `slic.engines.base.Engine`."""
        devices = self.devices[: len(tasks)]
        with ExitStack() as stack:
            context = get_context("spawn")  # CUDA does not survive a fork
            pipes: dict[Connection, BaseProcess] = {}
            for number, device in enumerate(devices):
                ours, theirs = context.Pipe(duplex=True)
                share, threads = tasks[number :: len(devices)], usable_cores() // len(devices)
                arguments = (theirs, work, share, device, self.workers, max(1, threads))
                process = context.Process(target=_embed_share, args=arguments)
                with starting_processes():
                    process.start()
                theirs.close()
                stack.callback(_end, process, ours)
                pipes[ours] = process
            yield from self._results(pipes)

    def _results(self, pipes: "dict[Connection, BaseProcess]") -> Iterator[Any]:
        open_pipes = [*pipes]
        while open_pipes:
            for pipe in connection.wait(open_pipes):
                assert isinstance(pipe, Connection)
                try:
                    done: Done[Any] | None = pipe.recv()
                except (EOFError, OSError) as error:
                    raise EngineError(_DIED) from error
                if done is None:
                    open_pipes.remove(pipe)
                    continue
                self.costs.add(done.costs)
                if done.error:
                    raise done.error
                yield from done.results


class _Tasks(Dataset[Any]):
    """What is read for each task, for a loader."""

    def __init__(self, stage: ReadStage[Any, Any], tasks: Sequence[Any]) -> None:
        self.stage, self.tasks = stage, tasks

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, number: int) -> Read[Any]:
        return self.stage(self.tasks[number])


def _embed_share(
    pipe: Connection,
    work: Work[Any, Any, Any, Any],
    tasks: Sequence[Any],
    device: torch.device,
    workers: int,
    threads: int,
) -> None:
    """Do a share of the tasks; this runs in a process of one device. None is its last word."""
    begin_worker(pipe)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    try:
        embed = EmbedStage(work, device)
        for read in _reads(ReadStage(work), tasks, workers):
            for done in embed([read]):
                pipe.send(done)
        pipe.send(None)
    except (BrokenPipeError, ConnectionResetError):  # the main process has ended
        pass
    except Exception as error:
        failure = error if isinstance(error, SlicError) else EngineError(one_line(error))
        pipe.send(Done((), failure, Costs()))


def _reads(
    stage: ReadStage[Any, Any], tasks: Sequence[Any], workers: int
) -> "WorkerLoader[Read[Any]]":
    ahead = _READ_AHEAD if workers else None
    return WorkerLoader(
        _Tasks(stage, tasks),
        workers=min(workers, len(tasks)),
        batch_size=None,
        prefetch_factor=ahead,
        collate_fn=_as_it_is,
    )


def _as_it_is(item: Any) -> Any:
    return item


def _end(process: BaseProcess, pipe: Connection) -> None:
    """End a process at once: its finished results are stored, or it has done all."""
    pipe.close()
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join()
