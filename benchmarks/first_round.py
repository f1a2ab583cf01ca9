"""A run after its first round of clustering, for benchmarks of its parts."""

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
from accelerate import Accelerator

from slic.callbacks import CallbackList
from slic.clips.loader import WorkerLoader, batch_loader
from slic.clips.samples import SampleDataset, TrainingSample
from slic.clustering.base import PseudoLabels
from slic.pretraining.build import build_run
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.loop import Run, train
from slic.pretraining.rounds import ClusteringRounds
from slic.pretraining.run_log import RunLog
from slic.pretraining.state import TrainingState
from slic.recipe import Recipe
from slic.videos.catalog import Catalog

CLUSTERS = 12


class NoRounds(ClusteringRounds):
    """Rounds of clustering that are never due, so that a run keeps its pseudo-labels."""

    def due(self, epoch: int) -> bool:
        del epoch
        return False


def run_after_first_round(recipe: Recipe, catalog: Catalog, folder: Path) -> Run:
    """Return a run on the CPU with made-up clusters, a log, and no other callbacks."""
    folder.mkdir(exist_ok=True)
    processes = Processes(Accelerator(cpu=True))
    run = build_run(recipe, catalog, processes, progress=False)
    run.state.pseudo_labels = {"embedding": PseudoLabels(np.arange(len(catalog)) % CLUSTERS)}
    run.rounds = NoRounds(**vars(run.rounds))
    ids = [video.id for video in catalog]
    run.callbacks = CallbackList([RunLog(RunFolder(folder), processes, ids=ids, progress=False)])
    return run


def train_on(run: Run, batches: Iterable[TrainingSample]) -> None:
    """Train for one epoch that consists of these batches."""
    run.state = TrainingState(epochs=1, pseudo_labels=run.state.pseudo_labels)
    run.loader = cast("Any", batches)
    train(run)


def loader_of(run: Run, *, workers: int) -> WorkerLoader[TrainingSample]:
    """Return another loader of the samples of a run."""
    dataset = cast("SampleDataset", run.loader.dataset)
    return batch_loader(dataset, run.sampler, workers=workers)


def endless(run: Run, loader: Iterable[TrainingSample]) -> Iterator[TrainingSample]:
    """Yield the batches of a loader, epoch after epoch."""
    assert run.state.pseudo_labels is not None
    for epoch in count():
        run.sampler.start(epoch, run.state.pseudo_labels["embedding"])
        yield from loader
