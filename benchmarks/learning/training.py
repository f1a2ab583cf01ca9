"""Training in the bench: `slic.pretrain` on decoded frames kept in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from learning.frames import StoredReader
from learning.tasks import Task
from slic.callbacks import Callback
from slic.clustering.base import Partitions, PseudoLabels
from slic.evaluation.cluster_quality import LabelObserver
from slic.pretraining import pretrain
from slic.pretraining.loop import Run
from slic.recipe import Recipe
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


@dataclass
class StoredFramesCallback(Callback):
    """Make a run read stored frames instead of decoding."""

    task: Task

    def on_start(self, run: Run) -> None:
        reader = StoredReader(run.rounds.reader, self.task.frames(run.encoder.clip))
        run.rounds = replace(run.rounds, reader=reader)
        run.loader.dataset.reader = reader  # type: ignore[attr-defined]


@dataclass
class TrueLabelsCallback(Callback):
    """Replace the pseudo-labels of every round by the true labels: an upper bound for clustering.

    Only the bench can do this. The package has no argument for it.
    """

    task: Task

    def on_clustered(self, run: Run, previous: Partitions | None) -> None:  # noqa: ARG002
        labels = self.task.labels.labels_of(video.id for video in run.rounds.catalog)
        given = PseudoLabels(np.unique(labels, return_inverse=True)[1])
        run.state.pseudo_labels = dict.fromkeys(run.encoder.vectors, given)


class OneClusterPerVideoCallback(Callback):
    """Let the clusters of every round be logged, and learn with every video as its own cluster.

    So the clusters of instance discrimination can be compared with those of SLIC.
    """

    def on_clustered(self, run: Run, previous: Partitions | None) -> None:  # noqa: ARG002
        alone = PseudoLabels(np.arange(len(run.rounds.catalog)))
        run.state.pseudo_labels = dict.fromkeys(run.encoder.vectors, alone)


def train(
    recipe: Recipe, task: Task, folder: Path, *, supervised: bool = False, instance: bool = False
) -> Trained:
    """Train on a task. The folder gets ``encoder/`` and, if the recipe asks, ``snapshots/``.

    Args:
        recipe: The recipe.
        task: The task.
        folder: The run folder.
        supervised: Learn with the true labels as pseudo-labels.
        instance: Log the clusters of the rounds, but learn with every video as its own cluster.
    """
    callbacks: list[Callback] = [StoredFramesCallback(task)]
    if supervised:
        callbacks.append(TrueLabelsCallback(task))
    if instance:
        callbacks.append(OneClusterPerVideoCallback())
    result = pretrain(
        task.training,
        out=folder,
        recipe=recipe,
        observer=LabelObserver(task.labels),
        callbacks=callbacks,
    )
    rounds = [
        {name: value for name, value in record.items() if name not in ("kind", "time")}
        for record in read_log(folder / "log.jsonl")
        if record["kind"] == "round"
    ]
    count = len(task.training)
    return Trained(
        steps=result.steps,
        clips_trained=result.steps * min(recipe.train.batch_size, count) * views(recipe),
        clips_embedded=clips_embedded(recipe, count, len(rounds)),
        rounds=rounds,
    )


def views(recipe: Recipe) -> int:
    """Return how many clips a training sample has: the second view is for the temporal term."""
    return 3 if recipe.temporal.weight > 0 else 2


def clips_embedded(recipe: Recipe, videos: int, rounds: int) -> int:
    """Return how many clips the rounds of clustering embed. Motion descriptors need no encoder."""
    options = recipe.rounds
    if not recipe.clusters_embeddings:
        return 0
    inputs = [options.first_inputs or options.inputs, *[options.inputs] * (rounds - 1)][:rounds]
    return sum(name != "motion" for names in inputs for name in names) * videos * options.clips
