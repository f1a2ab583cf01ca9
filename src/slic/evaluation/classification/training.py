"""Train a classifier with cross-entropy; stopped and resumed, it ends with the same weights."""

import math
import sys
import time
from dataclasses import dataclass, field

import torch
from torch import Generator
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from slic.clips.datasets import batch_loader
from slic.clips.reader import ClipReader
from slic.errors import TrainingError
from slic.evaluation.classification.clips import (
    LabelledClips,
    LabelledSampler,
    TrainingClips,
)
from slic.evaluation.classification.folder import ClassificationFolder
from slic.evaluation.classification.model import Classifier
from slic.evaluation.classification.problem import Problem
from slic.evaluation.classification.settings import ClassifierSettings
from slic.models.encoder import to_input
from slic.runs import StopRequested, load_checkpoint, save_checkpoint, stop_at_ctrl_c

SAVE_EVERY_SECONDS = 600.0  # an epoch of a large set is long; a kill costs at most this much


@dataclass
class Training:
    """The parts of a training, and where it stands.

    Attributes:
        epoch: The epoch to go on with.
        batch: How many batches of that epoch are done.
        loss: Sum of their losses.
        right: How many of their clips were named rightly, with features dropped.
    """

    model: Classifier
    settings: ClassifierSettings
    batches: LabelledSampler
    folder: ClassificationFolder
    device: torch.device
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    right: int = 0
    saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.model.to(self.device)
        self.optimizer = self.model.optimizer(self.settings)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def clips_done(self) -> int:
        """How many clips were trained on so far."""
        return (self.epoch * self.batches.per_epoch + self.batch) * self.batches.batch_size

    def start_epoch(self, epoch: int) -> None:
        """Set the rates of an epoch, and which batches of it are still to come."""
        factor = self.settings.rate_factor(epoch)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.batches.start(epoch, first_batch=self.batch)

    def step(self, batch: LabelledClips) -> None:
        """Make one step of the optimizer."""
        targets = batch.targets.to(self.device)
        clips = to_input(batch.clips.to(self.device))
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            scores = self.model(clips, self._generator()).float()
        loss = cross_entropy(scores, targets)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"epoch {self.epoch + 1}, batch {self.batch + 1}: the loss is {loss.item()}. "
                "Use --precision fp32 or a lower --learning-rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.batch += 1
        self.loss += loss.item()
        self.right += int((scores.argmax(dim=1) == targets).sum())

    def _generator(self) -> Generator:
        """Return the randomness of this step's dropout."""
        step = self.epoch * self.batches.per_epoch + self.batch
        seed = (self.settings.seed * 1_000_003 + step) % 2**63
        return Generator(self.device).manual_seed(seed)

    def end_epoch(self, *, clips_per_second: float) -> None:
        """Log the epoch, go on to the next one, and save."""
        clips = self.batches.per_epoch * self.batches.batch_size
        self.folder.log_epoch(
            self.epoch,
            loss=round(self.loss / self.batches.per_epoch, 6),
            accuracy=round(self.right / clips, 6),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            clips_per_second=round(clips_per_second, 2),
        )
        self.epoch, self.batch, self.loss, self.right = self.epoch + 1, 0, 0.0, 0
        self.save()

    def save(self) -> None:
        """Write the state."""
        self.saved = time.monotonic()
        state = {
            "epoch": self.epoch,
            "batch": self.batch,
            "loss": self.loss,
            "right": self.right,
            "learner": self.model.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(state, self.folder.checkpoint)

    def restore(self) -> None:
        """Go back to the saved state, if there is one."""
        if not self.folder.checkpoint.exists():
            return
        state = load_checkpoint(self.folder.checkpoint)
        self.model.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.loss, self.right = state["loss"], state["right"]


def train(
    model: Classifier,
    problem: Problem,
    settings: ClassifierSettings,
    folder: ClassificationFolder,
    *,
    device: torch.device,
    workers: int,
    progress: bool,
) -> None:
    """Train the model from where the folder's checkpoint stands, if there is one, to the end.

    Raises:
        StopRequested: Ctrl-C; the state was saved.
        TrainingError: A loss that is not finite.
    """
    config = model.encoder.config
    reader = ClipReader(frames=config.frames, stride=config.stride, size=config.size)
    dataset = TrainingClips(problem, reader, settings.augmentation, seed=settings.seed)
    batches = LabelledSampler(
        len(problem.train), batch_size=settings.batch_size, seed=settings.seed
    )
    training = Training(model, settings, batches, folder, device)
    training.restore()
    if training.epoch == settings.epochs:
        return
    loader = batch_loader(dataset, batches, workers=workers)
    model.train()
    with _bar(training, progress=progress) as bar, stop_at_ctrl_c() as stopping:
        for epoch in range(training.epoch, settings.epochs):
            started, done = time.monotonic(), training.batch
            training.start_epoch(epoch)
            for batch in loader:
                training.step(batch)
                _show(bar, training)
                stop = stopping()
                if stop or time.monotonic() - training.saved > SAVE_EVERY_SECONDS:
                    training.save()
                if stop:
                    raise StopRequested
            clips = (training.batch - done) * batches.batch_size
            training.end_epoch(clips_per_second=clips / (time.monotonic() - started))


def _bar(training: Training, *, progress: bool) -> "tqdm[None]":
    """Return a bar over the clips of all epochs, which shows clips per second and time left."""
    batches = training.batches
    return tqdm(
        total=training.settings.epochs * batches.per_epoch * batches.batch_size,
        initial=training.clips_done,
        desc="train",
        unit="clip",
        disable=not progress,
        file=sys.stderr,
        dynamic_ncols=True,
        smoothing=0.05,
    )


def _show(bar: "tqdm[None]", training: Training) -> None:
    """Move the bar by one batch; it shows the means of the epoch so far."""
    size = training.batches.batch_size
    accuracy = training.right / (training.batch * size)
    bar.set_postfix_str(
        f"epoch {training.epoch + 1}/{training.settings.epochs}, "
        f"loss {training.loss / training.batch:.3f}, training clips right {accuracy:.0%}",
        refresh=False,
    )
    bar.update(size)
