"""Training in the bench: the training loop of the package, on decoded frames kept in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from learning.frames import StoredReader
from learning.tasks import Task
from slic.clustering.base import PseudoLabels
from slic.evaluation.scoring import LabelObserver
from slic.pretraining import Observer
from slic.pretraining.folder import RunFolder
from slic.pretraining.run import Run
from slic.recipe import LOOKS, Recipe, save_recipe
from slic.runs import read_log


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The cost of a training run, and its rounds of clustering as the log has them.

    Attributes:
        steps: Optimizer steps.
        clips_trained: Clips of forward and backward passes.
        clips_embedded: Clips of forward passes alone.
        rounds: One record for each round of clustering.
    """

    steps: int
    clips_trained: int
    clips_embedded: int
    rounds: Sequence[Mapping[str, Any]]


@dataclass(kw_only=True)
class StoredRun(Run):
    """A training run that reads stored frames instead of decoding."""

    task: Task

    def __post_init__(self) -> None:
        super().__post_init__()
        stored = self.task.frames(self.recipe.clip)
        self.reader = self.dataset.reader = StoredReader(self.reader, stored)


class SupervisedRun(StoredRun):
    """The same run with the true labels as pseudo-labels: an upper bound for clustering.

    Only the bench can do this. The package has no argument for it.
    """

    def cluster(self, _: Observer | None) -> None:
        labels = self.task.labels.labels_of(video.id for video in self.catalog)
        self.pseudo_labels = PseudoLabels(np.unique(labels, return_inverse=True)[1])


def train(recipe: Recipe, task: Task, folder: Path, *, supervised: bool = False) -> Trained:
    """Train on a task. The folder gets ``encoder/`` and, if the recipe asks, ``snapshots/``."""
    kind = SupervisedRun if supervised else StoredRun
    with RunFolder(folder) as files:
        save_recipe(recipe, files.recipe)
        accelerator = Accelerator(cpu=not torch.cuda.is_available())
        run = kind(recipe, task.training, files, accelerator, task=task)
        run.go(resume=False, observer=LabelObserver(task.labels), progress=True)
    rounds = [
        {name: value for name, value in record.items() if name not in ("kind", "time")}
        for record in read_log(files.log_file)
        if record["kind"] == "round"
    ]
    return Trained(
        steps=run.step,
        clips_trained=run.step * run.batches.batch_size * views(recipe),
        clips_embedded=0 if supervised else clips_embedded(recipe, len(task.training), len(rounds)),
        rounds=rounds,
    )


def views(recipe: Recipe) -> int:
    """Return how many clips a training sample has: the second view is for the temporal term."""
    return 3 if recipe.loss.temporal_weight > 0 else 2


def clips_embedded(recipe: Recipe, videos: int, rounds: int) -> int:
    """Return how many clips the rounds of clustering embed. Motion descriptors need no encoder."""
    settings = recipe.clustering
    if settings.method == "none":
        return 0
    modalities = [settings.first_view or settings.view, *[settings.view] * (rounds - 1)][:rounds]
    encoded = sum(m != "motion" for round_view in modalities for m in LOOKS[round_view])
    return encoded * videos * settings.clips
