"""The engine of a Ray cluster: Ray Data decodes and embeds with the processes of all its nodes.

Ray Data streams the tasks through the stages, so decoders wait when embedding is slower. It does
the work of a lost process or node again. On GPUs, tasks decode on any core and actors embed.
Without GPUs an actor on each core does both, so that no clip is copied.
"""

import logging
import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import pyarrow as pa
import torch

from slic.engines.base import EmbeddedT, ReadT, ResultT, TaskT, Work
from slic.engines.costs import Costs, map_items
from slic.engines.devices import Devices
from slic.engines.ray_cluster import connect, describe_error, require_folders_on_all_nodes
from slic.engines.stages import Done, EmbedStage, Read, ReadStage
from slic.errors import EngineError, RecipeError
from slic.neighbours.sharded import Sharding, in_one_thread

CLIPS_PER_BLOCK: Final = 64  # of tasks that one call does; what a lost process does again
BLOCKS_PER_PROCESS: Final = 4  # at least, if there are as many tasks
TASKS_PER_BATCH: Final = 4  # that a GPU embeds together
ITEMS_PER_BLOCK: Final = 64
TASKS_PER_CORE: Final = 4  # calls sent ahead of the results
_LOOK_AT_NODES_SECONDS: Final = 5.0
_log = logging.getLogger("slic")


class RayEngine:
    """Embeds with all nodes of a Ray cluster. Connect by using it as a context manager.

    Args:
        workers: Not used: Ray decodes with all cores of its nodes.
        devices: Number of embedding processes; None and ``"all"`` are one for each GPU of the
            cluster, or for each core if it has no GPUs. If there are more than GPUs, they share.
        address: See `slic.engines.ray_cluster.connect`.

    Raises:
        RecipeError: The devices are numbers of GPUs.

    Example:
        >>> with RayEngine(address="auto") as engine:
        ...     update_index(index, catalog, engine=engine)
    """

    def __init__(
        self, *, workers: int = 2, devices: Devices = None, address: str | None = None
    ) -> None:
        if isinstance(devices, tuple):
            raise RecipeError(
                f"devices {','.join(map(str, devices))}: the engine 'ray' takes a number of "
                "processes, or 'all'."
            )
        self.workers = workers
        self.devices = devices
        self.address = address
        self.costs = Costs()
        self._ray: Any = None
        self._nodes: dict[str, str] = {}
        self._look_at = 0.0

    def __enter__(self) -> "RayEngine":
        self._ray = connect(self.address)
        self._nodes = self._living_nodes()
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def check_folders(self, folders: Sequence[Path]) -> None:
        """Check that every node sees some folders; see `slic.engines.base.Engine`."""
        require_folders_on_all_nodes(self._ray, folders)

    def map(
        self, function: Callable[[TaskT], ResultT], items: Sequence[TaskT], *, stage: str
    ) -> Iterator[ResultT]:
        """Give the value of each item, as they come; see `slic.engines.base.Engine`."""
        blocks = (
            items[start : start + ITEMS_PER_BLOCK]
            for start in range(0, len(items), ITEMS_PER_BLOCK)
        )
        for values, costs in self._calls(partial(map_items, function, stage), blocks):
            self.costs.add(costs)
            yield from values
            self._note_lost_nodes()

    def run(
        self, work: Work[TaskT, ReadT, EmbeddedT, ResultT], tasks: Sequence[TaskT]
    ) -> Iterator[ResultT]:
        """Give the result of each task, as they come; see `slic.engines.base.Engine`."""
        processes, gpus = self._processes(len(tasks))
        least = BLOCKS_PER_PROCESS * max(processes, self._resource("CPU"))
        data = self._dataset(in_blocks(tasks, work.clips, least))
        if gpus:
            data = data.map_batches(
                _read_rows,
                batch_size=None,
                batch_format="pyarrow",
                fn_kwargs={"stage": ReadStage(work)},
            )
        data = data.map_batches(
            _EmbedRows if gpus else _ReadAndEmbedRows,
            fn_constructor_args=([self._ray.put(work)], gpus),
            num_gpus=gpus or None,
            num_cpus=0 if gpus else 1,  # on GPUs the cores are for decoding
            concurrency=(1, processes, processes),
            batch_size=TASKS_PER_BATCH if gpus else None,
            batch_format="pyarrow",
        )
        return self._results(data)

    def sharding(self, folder: Path) -> Sharding:
        """Return how a large clustering compares vectors on all nodes.

        Args:
            folder: A folder that every node sees. Unit vectors are written there for the time of
                the clustering, 4 bytes a number.

        Raises:
            EngineError: A node does not see the folder.

        Example:
            >>> with RayEngine(address="auto") as engine:
            ...     finch(vectors, sharding=engine.sharding(Path("/shared")))
        """
        self.check_folders([folder])
        return Sharding(self._in_order, folder.resolve())

    def _in_order(
        self, function: Callable[[TaskT], ResultT], items: Iterable[TaskT]
    ) -> Iterator[ResultT]:
        return self._calls(partial(in_one_thread, function), items, in_order=True)

    def _calls(
        self,
        function: Callable[[TaskT], ResultT],
        items: Iterable[TaskT],
        *,
        in_order: bool = False,
    ) -> Iterator[ResultT]:
        """Give the value of each item from any node; a few are sent ahead of the results."""
        # sent as it is: a function of this module would import PyTorch on the other side
        call = self._ray.remote(lambda item: function(item))
        most = TASKS_PER_CORE * max(1, self._resource("CPU"))
        sent: list[Any] = []
        left = iter(items)
        with self._in_one_line():
            while sent := [*sent, *(call.remote(item) for item in islice(left, most - len(sent)))]:
                done = sent[0] if in_order else self._ray.wait(sent)[0][0]
                sent.remove(done)
                yield self._ray.get(done)

    def _dataset(self, blocks: Sequence[Sequence[Any]]) -> Any:
        rows = [{"row": pickle.dumps(block)} for block in blocks]
        return self._ray.data.from_items(rows, override_num_blocks=len(rows))

    def _resource(self, name: str) -> int:
        """Return how many cores (``"CPU"``) or GPUs (``"GPU"``) the cluster has."""
        return int(self._ray.cluster_resources().get(name, 0))

    def _processes(self, tasks: int) -> tuple[int, float]:
        """Return the number of embedding processes, and how many GPUs each has."""
        gpus, cores = self._resource("GPU"), self._resource("CPU")
        if not (gpus or cores):
            raise EngineError("the Ray cluster has no cores and no GPUs yet; wait for its nodes.")
        wanted = self.devices if isinstance(self.devices, int) else gpus or cores
        share = 1 / math.ceil(wanted / gpus) if gpus else 0.0
        return max(1, min(wanted, tasks)), share

    def _results(self, data: Any) -> Iterator[Any]:
        batches = data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1)
        with self._in_one_line():
            for batch in batches:
                for row in batch["row"]:
                    done: Done[Any] = pickle.loads(row.as_py())
                    self.costs.add(done.costs)
                    if done.error:
                        raise done.error
                    yield from done.results
                self._note_lost_nodes()

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        """Raise an `EngineError` for an error of Ray."""
        try:
            yield
        except self._ray.exceptions.RayError as error:
            raise EngineError(
                f"the Ray cluster could not go on ({describe_error(error)}). What is finished is "
                "kept; the same command continues."
            ) from error

    def _note_lost_nodes(self) -> None:
        if (now := time.monotonic()) < self._look_at:
            return
        self._look_at = now + _LOOK_AT_NODES_SECONDS
        living = self._living_nodes()
        for node, address in self._nodes.items():
            if node not in living:
                _log.warning("node %s is lost; the others do its work again.", address)
        self._nodes = living

    def _living_nodes(self) -> dict[str, str]:
        nodes = self._ray.nodes()
        return {node["NodeID"]: node["NodeManagerAddress"] for node in nodes if node["Alive"]}


class _EmbedRows:
    """Embeds what was read; an actor of Ray.

    Args:
        sent: Reference to the work, in a list so that Ray does not look it up by itself.
        gpus: How many GPUs it has.
    """

    def __init__(self, sent: list[Any], gpus: float) -> None:
        import ray

        cv2.setNumThreads(1)
        work = ray.get(sent[0])
        self.read = ReadStage(work)
        device = "cuda" if gpus and torch.cuda.is_available() else "cpu"
        self.embed = EmbedStage(work, torch.device(device), gpus=gpus)

    def __call__(self, batch: pa.Table) -> pa.Table:
        reads: list[Read[Any]] = [pickle.loads(row) for row in batch["row"].to_pylist()]
        return _table(self.embed(reads))


class _ReadAndEmbedRows(_EmbedRows):
    """Reads and embeds task by task; an actor of Ray."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        tasks = _tasks_of(batch)
        return _table([done for task in tasks for done in self.embed([self.read(task)])])


def _read_rows(batch: pa.Table, stage: ReadStage[Any, Any]) -> Iterator[pa.Table]:
    """Read task by task, so that the clips of one are in memory."""
    cv2.setNumThreads(1)
    for task in _tasks_of(batch):
        yield _table([stage(task)])


def _tasks_of(batch: pa.Table) -> Iterator[Any]:
    for row in batch["row"].to_pylist():
        yield from pickle.loads(row)


def in_blocks(
    tasks: Sequence[TaskT], clips: Callable[[TaskT], int], least: int
) -> list[list[TaskT]]:
    """Return the tasks in blocks of up to `CLIPS_PER_BLOCK` clips, or of one task.

    A block takes Ray Data some 20 ms of a core, as long as a few clips may take.

    Args:
        tasks: Tasks in their order.
        clips: The number of clips of a task.
        least: How many blocks there are at least, if there are so many tasks.
    """
    counts = [clips(task) for task in tasks]
    most = min(CLIPS_PER_BLOCK, sum(counts) // least)
    blocks: list[list[TaskT]] = []
    room = 0
    for task, count in zip(tasks, counts, strict=True):
        if count > room or not blocks:
            blocks.append([])
            room = most
        blocks[-1].append(task)
        room -= count
    return blocks


def _table(values: Sequence[Any]) -> pa.Table:
    rows = [pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL) for value in values]
    return pa.table({"row": pa.array(rows, pa.large_binary())})
