"""The method of the paper as a loop: embed, cluster, train (docs/explanation/method.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, UInt8
from torch import Generator, Tensor, nn

from slic.callbacks import CallbackList
from slic.clips.loader import WorkerLoader
from slic.clips.sampler import PositiveSampler
from slic.clips.samples import TrainingSample
from slic.clustering.base import Partitions
from slic.embeddings import Precision
from slic.models.encoder import VideoEncoder, to_input
from slic.pretraining.accumulation import EmbedInParts
from slic.pretraining.distributed import Processes
from slic.pretraining.grouping import EmbedInGroups, GroupedObjective
from slic.pretraining.objective import LossTerms, Objective
from slic.pretraining.optimizer_step import SafeOptimizer
from slic.pretraining.rounds import ClusteringRounds
from slic.pretraining.state import TrainingState


@dataclass(frozen=True)
class StepResult:
    """What a step gives to the callbacks.

    Attributes:
        terms: The losses, on the device.
        skipped: Whether the step was skipped because a number was not finite, on the device.
        batch: The samples of this process.
        learning_rate: Of the step.
    """

    terms: LossTerms
    skipped: Tensor
    batch: TrainingSample
    learning_rate: float


@dataclass(kw_only=True)
class Run:
    """The parts of a run.

    Attributes:
        encoder: The encoder that is trained.
        model: The encoder as it is called in training: with several processes, wrapped in DDP.
        optimizer: Changes the weights.
        objective: The loss.
        rounds: Embeds and clusters the videos.
        sampler: Chooses the videos of each batch and their positives.
        loader: Decodes the batches of the sampler.
        processes: The processes that take part.
        callbacks: Called between the steps.
        state: Where the run stands.
        precision: Precision of the forward passes.
        seed: Seed of the run.
        accumulate: Number of parts in which a batch is embedded.
        groups: Number of groups of this process, each embedded on its own; see `EmbedInGroups`.
    """

    encoder: VideoEncoder
    optimizer: SafeOptimizer
    objective: Objective | GroupedObjective
    rounds: ClusteringRounds
    sampler: PositiveSampler
    loader: WorkerLoader[TrainingSample]
    processes: Processes
    state: TrainingState
    precision: Precision
    seed: int
    accumulate: int = 1
    groups: int = 1
    callbacks: CallbackList = field(default_factory=CallbackList)
    model: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.encoder

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole run."""
        whole_epochs = self.sampler.steps * self.state.epochs
        return min(whole_epochs, self.sampler.max_steps or whole_epochs)


def train(run: Run) -> None:
    """Train from where the run stands to its end.

    Every few epochs the videos are clustered by their embeddings; the cluster of a video is its
    pseudo-label until the next round. Each step embeds anchors, positives and second views, and
    lowers the instance loss and the temporal loss. Logs, checkpoints and stop requests are
    callbacks, which `slic.pretraining.entry` puts together.

    Raises:
        StopRequested: A callback stopped the run.
        TrainingError: Too many steps in a row were not finite.
        VideoError: A video can no longer be read.
    """
    model: nn.Module = run.encoder
    if run.accumulate > 1:
        model = EmbedInParts(run.encoder.without_head(), run.encoder.head, run.accumulate)
    run.model = run.processes.wrap(EmbedInGroups(model, run.groups) if run.groups > 1 else model)
    run.encoder.train()
    try:
        _train_epochs(run)
    finally:
        # DDP must be gone before its process group: destroyed in the other order, it can deadlock.
        run.model = run.encoder


def _train_epochs(run: Run) -> None:
    state, callbacks = run.state, run.callbacks
    callbacks.on_start(run)
    for epoch in state.remaining_epochs():
        if state.batch == 0 and run.rounds.due(epoch):
            callbacks.on_round_begin(run)
            previous = state.pseudo_labels
            state.pseudo_labels = run.rounds.cluster(run.encoder, epoch=epoch)
            callbacks.on_clustered(run, previous)
        callbacks.on_epoch_begin(run)
        for batch in epoch_batches(run):
            train_step(run, batch)
        state.count_epoch()
        callbacks.on_epoch_end(run)
    callbacks.on_end(run)


def train_step(run: Run, batch: TrainingSample) -> None:
    """Make one step: embed the views, compute the loss over all processes, change the weights."""
    run.callbacks.on_step_begin(run)
    learning_rate = run.optimizer.start_step(run.state.step, run.total_steps)
    z = embed_views(run, batch.clips)
    terms = run.objective(
        run.processes.gather_with_gradient(z),
        run.processes.gather(labels_of(run, batch)),
        step_generator(run),
    )
    skipped = run.optimizer.step(terms.total)
    run.state.count_step()
    run.callbacks.on_step_end(run, StepResult(terms, skipped, batch, learning_rate))


def epoch_batches(run: Run) -> WorkerLoader[TrainingSample]:
    """Return the remaining batches of the epoch; they depend on seed, epoch and pseudo-labels.

    Positives come from the clusters of one vector, and from those of the next in the next epoch.
    """
    epoch, partitions = run.state.epoch, [*_partitions(run).values()]
    run.sampler.start(epoch, partitions[epoch % len(partitions)], first_step=run.state.batch)
    return run.loader


def embed_views(
    run: Run, clips: UInt8[Tensor, "b views t s s 3"] | Float[Tensor, "b views s"]
) -> Float[Tensor, "b views d"]:
    """Return the embeddings of the views of each sample, given as pixels or by fixed features."""
    device = run.processes.device
    views = clips.flatten(0, 1).to(device, non_blocking=True)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16")
    with seeded_dropout(run), autocast:
        z: Tensor = run.model(to_input(views) if views.ndim > 2 else views).float()
    return z.view(*clips.shape[:2], -1)


def labels_of(run: Run, batch: TrainingSample) -> Int[Tensor, "b 2 v"]:
    """Return the pseudo-labels of the videos of anchor and positive, by each vector."""
    videos = torch.stack([batch.video, batch.partner], dim=1)
    by_vector = [torch.as_tensor(found.labels)[videos] for found in _partitions(run).values()]
    return torch.stack(by_vector, dim=2).to(run.processes.device, non_blocking=True)


def step_generator(run: Run) -> Generator:
    """Return the random numbers of this step; they depend on the seed and the step only."""
    return Generator(run.processes.device).manual_seed(_step_seed(run))


@contextmanager
def seeded_dropout(run: Run) -> Iterator[None]:
    """Let dropout and stochastic depth depend on seed, step and process only."""
    device = run.processes.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(_step_seed(run) + run.processes.rank)
        yield


def _step_seed(run: Run) -> int:
    return (run.seed * 1_000_003 + run.state.step) % 2**63


def _partitions(run: Run) -> Partitions:
    assert run.state.pseudo_labels, "the first round comes before the first batch"
    return run.state.pseudo_labels
