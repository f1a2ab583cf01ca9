"""The method of the paper as a loop: embed, cluster, train, save (docs/method.md)."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from torch import Generator, nn

from slic.clips.augment import Augmentation
from slic.clips.datasets import (
    EpochBatches,
    TripletDataset,
    TripletSample,
    batch_loader,
)
from slic.clustering.assignment import PseudoLabels
from slic.encoders.encoder import to_input
from slic.errors import TrainingError
from slic.pretraining.checkpoint import RunState, load_state, save_state, videos_digest
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import LossTerms, loss_terms
from slic.pretraining.parts import (
    clip_reader,
    gather_with_gradient,
    instance_loss,
    learning_rate,
    new_encoder,
    new_optimizer,
)
from slic.pretraining.reporting import Reporter
from slic.pretraining.rounds import cluster_round
from slic.recipe import Recipe
from slic.runs import StopRequested, stop_at_ctrl_c
from slic.videos.catalog import Catalog

SAVE_EVERY_SECONDS = 600.0  # an epoch of a large set is long; a kill costs at most this much
PATIENCE = 20  # batches in a row whose loss or gradient is not finite before the run gives up
ALIKE = 1e-3  # spread of a batch's embeddings under which the encoder has collapsed


@runtime_checkable
class Observer(Protocol):
    """Sees every clustering; whatever it returns is written to the log beside the round.

    This is the one way by which ground truth comes near a run, and nothing goes back.
    """

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return figures of a round, such as its agreement with labels."""
        ...


@dataclass(frozen=True)
class PretrainResult:
    """Where a finished run left its encoder, and how it went."""

    folder: Path
    encoder: Path
    steps: int
    seconds: float


@dataclass
class Run:
    """The parts of a run, and where it stands."""

    recipe: Recipe
    catalog: Catalog
    folder: RunFolder
    accelerator: Accelerator
    epoch: int = 0
    batch: int = 0
    step: int = 0
    pseudo_labels: PseudoLabels | None = None
    started: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)
    failures: int = 0
    spread: float = 1.0

    def __post_init__(self) -> None:
        recipe, train = self.recipe, self.recipe.train
        self.encoder = new_encoder(recipe).to(self.accelerator.device)
        if self.accelerator.num_processes > 1 and self.accelerator.device.type == "cuda":
            convert = nn.SyncBatchNorm.convert_sync_batchnorm  # refuses CPU modules
            self.encoder = convert(self.encoder)  # type: ignore[no-untyped-call]
        self.optimizer = new_optimizer(self.encoder, train)
        self.instance = instance_loss(recipe.loss)
        self.reporter = Reporter(self.folder, self.accelerator)
        self.reader = clip_reader(recipe, self.catalog, warn=self.accelerator.is_main_process)
        self.dataset = TripletDataset(
            self.catalog,
            self.reader,
            Augmentation(**asdict(recipe.augmentation)),
            flow_probability=recipe.sampling.flow_probability,
            second_look=recipe.loss.temporal_weight > 0,
            seed=train.seed,
            placement="official" if recipe.compat == "official" else "random",
        )
        self.batches = EpochBatches(
            len(self.catalog),
            batch_size=train.batch_size,
            same_video_probability=recipe.sampling.same_video_probability,
            seed=train.seed,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        self.total_steps = self.batches.steps * train.epochs

    def go(self, resume: bool, observer: Observer | None, *, progress: bool) -> PretrainResult:
        """Train from where the run stands to its end."""
        if resume:
            self.restore()
        # DDP registers the parameters that are there now, so it wraps them after the restore.
        model = self.accelerator.prepare(self.encoder)
        loader = batch_loader(self.dataset, self.batches, workers=self.recipe.train.workers)
        self.encoder.train()
        self.reporter.start(self.total_steps, done=self.step, progress=progress)
        with self.reporter, stop_at_ctrl_c() as stopping:
            if self.recipe.train.precision == "bf16" and self.accelerator.device.type == "cpu":
                self.warn(
                    "bf16 on a CPU was seen to give gradients that are not finite, and with very "
                    "narrow networks to crash (docs/performance.md); fp32 is the safe choice."
                )
            for epoch in range(self.epoch, self.recipe.train.epochs):
                if self.batch == 0 and epoch % self.recipe.clustering.every_epochs == 0:
                    self.cluster(observer)
                assert self.pseudo_labels is not None
                self.batches.start(epoch, self.pseudo_labels, first_step=self.batch)
                for samples in loader:
                    self.train_step(model, samples)
                    stop = self.any_process(stopping())
                    if stop or time.monotonic() - self.saved > SAVE_EVERY_SECONDS:
                        self.save()
                    if stop:
                        raise StopRequested
                self.epoch, self.batch = epoch + 1, 0
                self.keep_snapshot()  # before the state says that this epoch is done
                self.save()
            self.warn_of_collapse()
        if self.accelerator.is_main_process:
            self.encoder.eval().save_pretrained(self.folder.encoder)
        seconds = time.monotonic() - self.started
        return PretrainResult(self.folder.path, self.folder.encoder, self.step, seconds)

    def any_process(self, flag: bool) -> bool:
        """Return whether the flag is up in any process: to stop alone leaves the others waiting."""
        flags = torch.tensor(int(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, reduction="sum"))

    def cluster(self, observer: Observer | None) -> None:
        """Replace the pseudo-labels by those of the encoder as it is now."""
        self.warn_of_collapse()
        settings, train = self.recipe.clustering, self.recipe.train
        previous = self.pseudo_labels
        parts = asdict(settings)
        first_view, _ = parts.pop("first_view"), parts.pop("every_epochs")
        parts["view"] = (first_view if previous is None else None) or settings.view
        self.pseudo_labels = cluster_round(
            self.encoder,
            self.catalog,
            self.accelerator,
            **parts,
            seed=train.seed,
            reader=self.reader,
            workers=train.workers,
            precision=train.precision,
        )
        if self.recipe.compat == "official":
            self.pseudo_labels = self.pseudo_labels.shifted()
        if not self.accelerator.is_main_process:
            return
        ids, labels = [v.id for v in self.catalog], self.pseudo_labels.labels.tolist()
        self.folder.save_clusters(self.epoch, ids, labels)
        truth = observer.clustered(ids, labels) if observer else {}
        agreement = self.pseudo_labels.agreement(previous) if previous else None
        self.reporter.clustered(
            self.pseudo_labels, epoch=self.epoch, step=self.step, agreement=agreement, **truth
        )

    def train_step(self, model: nn.Module, samples: TripletSample) -> None:
        """Make one optimizer step, unless the loss or a gradient is not finite."""
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe.train, self.step, self.total_steps)
        statistics = [buffer.clone() for buffer in self.encoder.buffers()]
        terms = self.losses(model, samples)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(terms.total)
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in model.parameters() if p.grad is not None]
        )
        if math.isfinite(terms.total.item()) and math.isfinite(norm.item()):
            self.optimizer.step()
            self.failures = 0
        else:
            for buffer, before in zip(self.encoder.buffers(), statistics, strict=True):
                buffer.copy_(before)  # a running mean that is not finite once stays so
            self.count_failure()
        self.batch, self.step = self.batch + 1, self.step + 1
        self.spread = self.reporter.stepped(
            terms,
            samples,
            epoch=self.epoch,
            step=self.step,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=time.monotonic() - started,
        )

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        """Embed the clips of this process and return the loss over those of all processes."""
        device, loss = self.accelerator.device, self.recipe.loss
        clips = samples.clips.to(device, non_blocking=True)
        bf16 = self.recipe.train.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            z = model(to_input(clips.flatten(0, 1))).float().unflatten(0, clips.shape[:2])
        assert self.pseudo_labels is not None
        labels = torch.as_tensor(self.pseudo_labels.labels)[samples.video].to(device)
        seed = (self.recipe.train.seed * 1_000_003 + self.step) % 2**63
        return loss_terms(
            gather_with_gradient(z, self.accelerator),
            self.accelerator.gather(labels),
            instance=self.instance,
            temporal_weight=loss.temporal_weight,
            temporal_margin=loss.temporal_margin,
            generator=Generator(device).manual_seed(seed),
        )

    def count_failure(self) -> None:
        """Say that a step was left out; give up after many in a row."""
        self.failures += 1
        if self.failures == 1:
            self.warn(f"step {self.step}: loss or gradient not finite; the step was left out.")
        if self.failures >= PATIENCE:
            raise TrainingError(
                f"{PATIENCE} steps in a row up to step {self.step} had a loss or gradient that is "
                "not finite. Lower --train.learning_rate or use --train.precision=fp32."
            )

    def warn_of_collapse(self) -> None:
        """Say when the embeddings of the last batch were all alike."""
        if self.spread < ALIKE:
            self.warn(
                f"the encoder has collapsed: all embeddings are alike (spread {self.spread:.1e}). "
                "Lower --train.learning_rate, or use --loss.kind=info_nce."
            )

    def warn(self, message: str) -> None:
        """Say it above the bar and in the log."""
        self.reporter.warn(message, epoch=self.epoch, step=self.step)

    def save(self) -> None:
        """Write the state of the run."""
        self.saved = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        assert self.pseudo_labels is not None
        state = RunState(
            epoch=self.epoch,
            batch=self.batch,
            step=self.step,
            pseudo_labels=torch.as_tensor(self.pseudo_labels.labels),
            encoder=self.encoder.state_dict(),
            optimizer=self.optimizer.state_dict(),
            videos=videos_digest([v.id for v in self.catalog]),
            processes=self.accelerator.num_processes,
            failures=self.failures,
            spread=self.spread,
        )
        save_state(state, self.folder.checkpoint)

    def keep_snapshot(self) -> None:
        """Keep the encoder as it is now, when the recipe asks for it."""
        every = self.recipe.train.snapshot_every_epochs
        if every and self.epoch % every == 0 and self.accelerator.is_main_process:
            self.encoder.save_pretrained(self.folder.snapshot(self.step))

    def restore(self) -> None:
        """Go back to the saved state, if any; what the log says beyond it is dropped."""
        if self.folder.checkpoint.exists():
            self.load()
        if self.accelerator.is_main_process:
            self.folder.rewind_log(epoch=self.epoch, step=self.step, mid_epoch=self.batch > 0)

    def load(self) -> None:
        """Read the saved state."""
        ids = [v.id for v in self.catalog]
        state = load_state(
            self.folder.checkpoint, ids=ids, processes=self.accelerator.num_processes
        )
        self.encoder.load_state_dict(state.encoder)
        self.optimizer.load_state_dict(state.optimizer)
        self.epoch, self.batch, self.step = state.epoch, state.batch, state.step
        self.failures, self.spread = state.failures, state.spread
        if state.pseudo_labels is not None:
            self.pseudo_labels = PseudoLabels(state.pseudo_labels.numpy())
            self.reporter.clusters = self.pseudo_labels.clusters
