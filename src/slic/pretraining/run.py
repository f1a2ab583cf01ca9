"""The method of the paper as a loop: embed, cluster, train, save (docs/method.md)."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Float, UInt8
from torch import Generator, Tensor, nn

from slic.clips.augmentation import Augmentation
from slic.clips.loader import batch_loader
from slic.clips.sampler import TripletSampler
from slic.clips.spans import extent, official_placement, random_placement
from slic.clips.triplets import TripletDataset, TripletSample
from slic.clustering.base import PseudoLabels
from slic.errors import CheckpointError, VideoError
from slic.models.encoder import load_exactly, to_input
from slic.pretraining.checkpoint import RunState, load_state, save_state, videos_digest
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import LossTerms, loss_terms
from slic.pretraining.parts import (
    clip_reader,
    fade_mean_frame,
    gather_with_gradient,
    in_parallel,
    instance_loss,
    learning_rate,
    new_encoder,
    new_optimizer,
    precision_of,
)
from slic.pretraining.reporting import Observer, Reporter, StepAbout
from slic.pretraining.rounds import cluster_round
from slic.pretraining.stepping import step_if_finite
from slic.pretraining.watching import Watch
from slic.recipe import Recipe
from slic.runs import StopRequested, stop_at_ctrl_c
from slic.videos.catalog import Catalog

SAVE_EVERY_SECONDS = 600.0  # an epoch of a large set is long; a kill costs at most this much
STEPS_BEHIND = 4  # how late a GPU's figures are read; meanwhile they travel, and it has work to do
STEPS_TOGETHER = 8  # how often several processes ask each other whether to stop


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
    lap: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def __post_init__(self) -> None:
        recipe, train = self.recipe, self.recipe.train
        self.precision = precision_of(recipe, self.accelerator.device)
        self.encoder = new_encoder(recipe).to(self.accelerator.device)
        if self.accelerator.num_processes > 1 and self.accelerator.device.type == "cuda":
            convert = nn.SyncBatchNorm.convert_sync_batchnorm  # refuses CPU modules
            self.encoder = convert(self.encoder)  # type: ignore[no-untyped-call]
        self.optimizer = new_optimizer(self.encoder, train)
        self.instance = instance_loss(recipe.loss)
        self.reporter = Reporter(self.folder, self.accelerator)
        on_gpu = self.accelerator.device.type == "cuda"
        self.watch = Watch(self.reporter, behind=STEPS_BEHIND if on_gpu else 0)
        self.reader = clip_reader(recipe, self.catalog, warn=self.accelerator.is_main_process)
        self.dataset = TripletDataset(
            self.catalog,
            self.reader,
            Augmentation(**asdict(recipe.augmentation)),
            flow_probability=recipe.sampling.flow_probability,
            second_view=recipe.loss.temporal_weight > 0,
            seed=train.seed,
            place_pair=official_placement if recipe.compat == "official" else random_placement,
        )
        self.batches = TripletSampler(
            len(self.catalog),
            batch_size=train.batch_size,
            same_video_probability=recipe.sampling.same_video_probability,
            seed=train.seed,
            reciprocal_positives=recipe.sampling.mutual,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        self.total_steps = self.batches.steps * train.epochs

    def go(self, resume: bool, observer: Observer | None, *, progress: bool) -> PretrainResult:
        """Train from where the run stands to its end."""
        if resume:
            self.restore()
        self.agree()
        # DDP registers the parameters that are there now, so it wraps them after the restore.
        model = in_parallel(self.encoder, self.accelerator)
        loader = batch_loader(self.dataset, self.batches, workers=self.recipe.train.workers)
        self.encoder.train()
        self.reporter.start(self.total_steps, done=self.step, progress=progress)
        with self.reporter, stop_at_ctrl_c() as stopping:
            if self.step == 0:
                self.warn_of_what_will_not_do()
            for epoch in range(self.epoch, self.recipe.train.epochs):
                if self.batch == 0 and epoch % self.recipe.clustering.every_epochs == 0:
                    self.cluster(observer)
                self.train_epoch(model, loader, stopping)
                self.epoch, self.batch = epoch + 1, 0
                self.keep_snapshot()  # before the state says that this epoch is done
                self.save()
            self.watch.warn_of_collapse(epoch=self.epoch, step=self.step)
        if self.accelerator.is_main_process:
            self.encoder.eval().save_pretrained(self.folder.encoder)
        seconds = time.monotonic() - self.started
        return PretrainResult(self.folder.path, self.folder.encoder, self.step, seconds)

    def agree(self) -> None:
        """See that all processes found the same videos and stand at the same place.

        Raises:
            CheckpointError: One does not: it would wait for the others for ever.
        """
        if self.accelerator.num_processes == 1:
            return
        place = (videos_digest([v.id for v in self.catalog]), self.epoch, self.batch, self.step)
        if len(places := set(gather_object([place]))) > 1:
            what = "found other videos" if len({p[0] for p in places}) > 1 else "resume elsewhere"
            raise CheckpointError(
                f"{self.folder.path}: the processes {what}: see that all of them reach the same "
                "folder of videos and the same run folder."
            )

    def warn_of_what_will_not_do(self) -> None:
        """Say when videos are shorter than a clip, and when a run ends with its warm-up."""
        clip, train = self.recipe.clip, self.recipe.train
        least = extent(clip.frames, clip.stride)
        if short := sum(video.frames < least for video in self.catalog):
            message = (
                f"{short} of {len(self.catalog)} videos have fewer than the {least} frames of a "
                "clip; their clips end in a still picture. Lower --clip.frames or --clip.stride, "
                "or leave them out."
            )
            self.reporter.warn(message, epoch=self.epoch, step=self.step)
        if self.total_steps <= train.warmup_steps:
            message = (
                f"the whole run is {self.total_steps} steps, and the learning rate rises for "
                f"{train.warmup_steps}: that is hardly any training. Raise --train.epochs "
                f"(now {train.epochs}, of {self.batches.steps} steps each)."
            )
            self.reporter.warn(message, epoch=self.epoch, step=self.step)

    def train_epoch(
        self, model: nn.Module, loader: Iterable[TripletSample], stopping: Callable[[], bool]
    ) -> None:
        """Make the steps of this epoch that are still to be made; stop when asked to."""
        assert self.pseudo_labels is not None
        self.batches.start(self.epoch, self.pseudo_labels, first_step=self.batch)
        self.lap = time.monotonic()
        try:
            for samples in loader:
                self.waited = time.monotonic() - self.lap
                self.train_step(model, samples)
                stop = self.asked_to_stop(stopping())
                if stop or time.monotonic() - self.saved > SAVE_EVERY_SECONDS:
                    self.save()
                if stop:
                    raise StopRequested
        except VideoError:  # between two steps: once the file is back, the run can go on
            if self.batch:  # an epoch's start, before its round, was saved when the last one ended
                self.save()
            raise

    def asked_to_stop(self, here: bool) -> bool:
        """Return whether any process was asked to: to stop alone leaves the others waiting."""
        if self.accelerator.num_processes == 1:
            return here
        if self.step % STEPS_TOGETHER:
            return False
        flags = torch.tensor(int(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, reduction="sum"))

    def cluster(self, observer: Observer | None) -> None:
        """Replace the pseudo-labels by those of the encoder as it is now."""
        self.watch.warn_of_collapse(epoch=self.epoch, step=self.step)
        self.fade_mean_frame()
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
            precision=self.precision,
            progress=self.reporter.progress,
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
        self.fade_mean_frame()
        rate = learning_rate(self.recipe.train, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        statistics = list(self.encoder.buffers())
        before = [statistic.clone() for statistic in statistics]
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.losses(model, samples)
        terms.total.backward()  # type: ignore[no-untyped-call]
        left_out = step_if_finite(
            self.optimizer, terms.total, statistics=zip(statistics, before, strict=True)
        )
        self.batch, self.step = self.batch + 1, self.step + 1
        self.watch.stepped(self.about(samples, rate), terms, left_out=left_out)

    def about(self, samples: TripletSample, rate: float) -> StepAbout:
        """Return what is known of the step just made."""
        before, self.lap = self.lap, time.monotonic()
        videos, looks = samples.clips.shape[:2]
        return StepAbout(
            epoch=self.epoch,
            step=self.step,
            learning_rate=rate,
            clips=videos * looks * self.accelerator.num_processes,
            overlapping=samples.overlap.sum(),
            seconds=self.lap - before,
            waited=self.waited,
        )

    def fade_mean_frame(self) -> None:
        """Show the encoder as much of what stands still as is its due at this step."""
        fade_mean_frame(self.encoder, self.recipe.train.mean_frame, self.step, self.total_steps)

    def losses(self, model: nn.Module, samples: TripletSample) -> LossTerms:
        """Embed the clips of this process and return the loss over those of all processes."""
        device, loss = self.accelerator.device, self.recipe.loss
        z = self.embedded(model, samples.clips.flatten(0, 1)).view(*samples.clips.shape[:2], -1)
        assert self.pseudo_labels is not None
        labels = torch.as_tensor(self.pseudo_labels.labels)[samples.video]
        return loss_terms(
            gather_with_gradient(z, self.accelerator),
            self.accelerator.gather(labels.to(device, non_blocking=True)),
            instance=self.instance,
            temporal_weight=loss.temporal_weight,
            temporal_margin=loss.temporal_margin,
            generator=self.generator(device),
        )

    def embedded(self, model: nn.Module, clips: UInt8[Tensor, "n t h w 3"]) -> Float[Tensor, "n d"]:
        """Return the embeddings of clips, computed in the run's precision."""
        device, bf16 = self.accelerator.device, self.precision == "bf16"
        pixels = clips.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            z: Tensor = model(to_input(pixels)).float()
        return z

    def generator(self, device: torch.device) -> Generator:
        """Return the random numbers of this step."""
        seed = (self.recipe.train.seed * 1_000_003 + self.step) % 2**63
        return Generator(device).manual_seed(seed)

    def save(self) -> None:
        """Write the state of the run; the log then tells of every step before it."""
        self.watch.read()
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
            failures=self.watch.failures,
            spread=self.watch.spread,
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
        load_exactly(self.encoder, state.encoder, source=self.folder.checkpoint)
        self.optimizer.load_state_dict(state.optimizer)
        self.epoch, self.batch, self.step = state.epoch, state.batch, state.step
        self.watch.failures, self.watch.spread = state.failures, state.spread
        if state.pseudo_labels is not None:
            self.pseudo_labels = PseudoLabels(state.pseudo_labels.numpy())
            self.reporter.clusters = self.pseudo_labels.clusters
