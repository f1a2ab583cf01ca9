"""Training in the bench: the product's own loop, on stored frames, with every clip counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from learning.frames import StoredReader
from learning.tasks import Task
from slic.clips.datasets import TripletSample
from slic.clustering.base import PseudoLabels
from slic.evaluation.scoring import LabelObserver
from slic.pretraining import Observer
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import LossTerms
from slic.pretraining.run import Run
from slic.recipe import LOOKS, Recipe, save_recipe
from slic.runs import read_log

SMALL = 2 / 3  # of the rows and columns of a clip, while they grow


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training cost: optimizer steps, clips of forward and backward passes, and of forward
    passes alone; and the rounds of clustering, as the log has them."""

    steps: int
    clips_trained: int
    clips_embedded: int
    rounds: Sequence[Mapping[str, Any]]


class Training(Protocol):
    """A way to learn. It leaves ``encoder/`` and maybe ``snapshots/`` in the folder."""

    def __call__(self, recipe: Recipe, task: Task, folder: Path) -> Trained: ...


@dataclass(kw_only=True)
class StoredRun(Run):
    """A run of the product that reads stored frames, and counts its clips."""

    task: Task
    clips_trained: int = 0
    clips_embedded: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        stored = self.task.frames(self.recipe.clip)
        self.reader = self.dataset.reader = StoredReader(self.reader, stored)

    def cluster(self, observer: Observer | None) -> None:
        settings = self.recipe.clustering
        first = settings.first_view if self.pseudo_labels is None else None
        views = LOOKS[first or settings.view]
        if settings.method != "none":
            looks = settings.clips * sum(view != "motion" for view in views)
            self.clips_embedded += len(self.catalog) * looks
        super().cluster(observer)

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        self.clips_trained += samples.clips.shape[0] * samples.clips.shape[1]
        return super().losses(model, samples)


class SupervisedRun(StoredRun):
    """The same loop with the true labels as pseudo-labels: what knowing them is worth.

    Only here is a run given labels: the product has no argument for it.
    """

    def cluster(self, _: Observer | None) -> None:
        labels = self.task.labels.labels_of(video.id for video in self.catalog)
        self.pseudo_labels = PseudoLabels(np.unique(labels, return_inverse=True)[1])


@dataclass(kw_only=True)
class GrowingRun(StoredRun):
    """Clips have two thirds of their rows and columns in the first half of the run."""

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        if 2 * self.step >= self.total_steps:
            return super().losses(model, samples)
        n, looks = samples.clips.shape[:2]
        self.clips_trained -= round(n * looks * (1 - SMALL**2))  # the rest of their operations
        return super().losses(model, samples._replace(clips=smaller(samples.clips)))


def smaller(clips: UInt8[Tensor, "n looks t h w 3"]) -> UInt8[Tensor, "n looks t h2 w2 3"]:
    """Return clips of ``SMALL`` times the rows and columns, each pixel a mean."""
    pictures = clips.flatten(0, 2).movedim(-1, 1).float()
    size = [round(side * SMALL) for side in pictures.shape[2:]]
    made = interpolate(pictures, size, mode="area").round().byte()
    return made.movedim(1, -1).reshape(*clips.shape[:3], *size, 3)


@dataclass(frozen=True)
class Looped:
    """Training by a kind of `StoredRun`."""

    kind: type[StoredRun]

    def __call__(self, recipe: Recipe, task: Task, folder: Path) -> Trained:
        with RunFolder(folder) as files:
            save_recipe(recipe, files.recipe)
            accelerator = Accelerator(cpu=not torch.cuda.is_available())
            run = self.kind(recipe, task.training, files, accelerator, task=task)
            run.go(resume=False, observer=LabelObserver(task.labels), progress=True)
        rounds = [
            {name: value for name, value in record.items() if name not in ("kind", "time")}
            for record in read_log(files.log_file)
            if record["kind"] == "round"
        ]
        return Trained(
            steps=run.step,
            clips_trained=run.clips_trained,
            clips_embedded=run.clips_embedded,
            rounds=rounds,
        )
