"""Train a video classifier with cross-entropy; a resumed run ends with the same weights."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from tqdm import tqdm

from slic.clips.augmentation import Augmentation
from slic.clips.loader import LostWorkerError, batch_loader
from slic.clips.reader import ClipReader
from slic.embeddings import Precision
from slic.errors import ProtocolError, TrainingError, VideoError
from slic.evaluation.classification.classifier import VideoClassifier
from slic.evaluation.classification.clips import (
    LabelledBatchSampler,
    LabelledClipDataset,
    LabelledClips,
)
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.evaluation.classification.task import ClassificationTask
from slic.models.encoder import to_input
from slic.runs import (
    has_checkpoint,
    load_checkpoint,
    refusing_other_content,
    require_counter,
    save_checkpoint,
)
from slic.signals import StopRequested, stop_at_ctrl_c

PAPER_EPOCHS, PAPER_DROP_EPOCHS = 150, (60, 100)
CHECKPOINT_FORMAT: Final = 1
"""Version of a checkpoint. Raise it when the meaning of a field changes (see formats.md)."""

CLASSIFIER_SAVE_SECONDS = 600.0  # an epoch of a large data set is long; a kill costs at most this

CLASSIFIER_AUGMENTATION: Final = Augmentation(
    crop_from="native",
    area=(0.2, 1.0),
    jitter=(0.4, 0.4, 0.4, 0.1),
    jitter_probability=0.3,
    grey=0.0,
    blur=0.0,
)
"""The augmentation of the authors' code for classification: weaker than that of pretraining."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Optimizer, schedule and numerics of a classifier; the defaults are the paper's.

    Attributes:
        epochs: Passes over the training videos, one random clip of each. Learning rates are divided
            by 10 at 60/150 and 100/150 of them.
        batch_size: Clips per step. The authors' code has 32 on each GPU.
        learning_rate: Learning rate of Adam for the linear layer.
        weight_decay: Weight decay of Adam (an L2 term in the gradient).
        dropout: Probability with which a feature of the backbone is set to 0.
        precision: ``"bf16"`` runs the forward passes under autocast.
        seed: Seed of the first weights, the order, the clips, their augmentation and the dropout.
        augmentation: Ranges of the augmentation parameters.

    Raises:
        ProtocolError: A value is out of its range.
    """

    epochs: int = PAPER_EPOCHS
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float = 0.9
    precision: Precision = "fp32"
    seed: int = 0
    augmentation: Augmentation = CLASSIFIER_AUGMENTATION

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            self.require(0 < getattr(self, name) < math.inf, name, "above 0")
        for name in ("weight_decay", "seed"):
            self.require(0 <= getattr(self, name) < math.inf, name, "0 or more")
        self.require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")

    def require(self, holds: bool, name: str, rule: str) -> None:
        """Raise a ProtocolError about a setting unless a condition holds."""
        if not holds:
            raise ProtocolError(f"{name} is {getattr(self, name)}, but it must be {rule}.")

    def build_optimizer(self, classifier: VideoClassifier) -> Adam:
        """Return Adam over the linear layer."""
        linear = {"params": list(classifier.linear.parameters()), "lr": self.learning_rate}
        return Adam([linear], weight_decay=self.weight_decay)

    @property
    def drop_epochs(self) -> tuple[int, int]:
        """The epochs from which on the learning rates are a tenth and a hundredth.

        60 and 100 of 150 in the paper; for another number of epochs the same shares, rounded up.
        """
        first, second = (-(-drop * self.epochs // PAPER_EPOCHS) for drop in PAPER_DROP_EPOCHS)
        return first, second

    def rate_factor(self, epoch: int) -> float:
        """Return the factor on the learning rates in an epoch, counted from 0."""
        return float(0.1 ** sum(epoch >= drop for drop in self.drop_epochs))


def train_classifier(
    classifier: VideoClassifier,
    task: ClassificationTask,
    settings: TrainingSettings,
    folder: ClassificationFolder,
    *,
    device: torch.device,
    workers: int,
    progress: bool,
) -> None:
    """Train a classifier to its last epoch, from the checkpoint of the folder if there is one.

    Args:
        classifier: The classifier; it is trained in place and moved to the device.
        task: The training videos.
        settings: Optimizer, schedule and numerics.
        folder: Folder of the run, locked; receives the log and the checkpoints.
        device: Device of the training.
        workers: Number of processes that decode; 0 decodes in this process.
        progress: Show a progress bar on stderr.

    Raises:
        StopRequested: Ctrl-C was pressed; the state was saved.
        TrainingError: A loss is not finite.
    """
    seed = settings.seed
    reader = ClipReader.of_clip(classifier.encoder.clip)
    clips = LabelledClipDataset(task, reader, settings.augmentation, seed=seed)
    batches = LabelledBatchSampler(len(task.train), batch_size=settings.batch_size, seed=seed)
    loader = batch_loader(clips, batches, workers=workers)
    run = _TrainingRun(classifier.to(device), settings, batches, folder)
    run.restore()
    classifier.train()
    with run.progress_bar(enabled=progress) as bar, stop_at_ctrl_c() as stop_requested:
        for epoch in range(run.epoch, settings.epochs):
            run.start_epoch(epoch)
            for batch in run.saving_before_errors(loader):
                targets = batch.targets.to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=run.bf16):
                    scores = classifier(to_input(batch.clips.to(device)), run.dropout_generator())
                loss = cross_entropy(scores.float(), targets)
                run.require_finite(loss)
                run.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                run.optimizer.step()
                run.count_step(loss, correct=int((scores.argmax(dim=1) == targets).sum()))
                run.show(bar)
                stop = stop_requested()
                if stop or time.monotonic() - run.saved > CLASSIFIER_SAVE_SECONDS:
                    run.save()
                if stop:
                    raise StopRequested
            run.end_epoch()


@dataclass
class _TrainingRun:
    """The state of a training, its checkpoint, its log and its progress bar.

    Attributes:
        epoch: The epoch to continue with.
        batch: Number of finished batches of that epoch.
        loss: Sum of the losses of these batches.
        correct: Number of their clips that were classified correctly, under dropout.
    """

    classifier: VideoClassifier
    settings: TrainingSettings
    batches: LabelledBatchSampler
    folder: ClassificationFolder
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    correct: int = 0
    saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.optimizer = self.settings.build_optimizer(self.classifier)
        self.first_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.device = next(self.classifier.parameters()).device
        self.bf16 = self.settings.precision == "bf16"

    def start_epoch(self, epoch: int) -> None:
        """Set the learning rates of an epoch and select the batches that remain of it."""
        factor = self.settings.rate_factor(epoch)
        for group, rate in zip(self.optimizer.param_groups, self.first_rates, strict=True):
            group["lr"] = rate * factor
        self.batches.start_epoch(epoch, first_batch=self.batch)
        self._epoch_started, self._resumed_at = time.monotonic(), self.batch

    def saving_before_errors(self, loader: Iterable[LabelledClips]) -> Iterator[LabelledClips]:
        """Give the batches; if one cannot be loaded, save the state first."""
        try:
            yield from loader
        except (LostWorkerError, VideoError):
            self.save()
            raise

    def dropout_generator(self) -> Generator:
        """Return the random numbers of this step's dropout; a resumed run repeats them."""
        step = self.epoch * self.batches.batches_per_epoch + self.batch
        seed = (self.settings.seed * 1_000_003 + step) % 2**63
        return Generator(self.device).manual_seed(seed)

    def require_finite(self, loss: Tensor) -> None:
        """Raise a TrainingError if the loss is not finite."""
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"epoch {self.epoch + 1}, batch {self.batch + 1}: the loss is {loss.item()}. "
                "Use precision 'fp32' or a lower learning rate."
            )

    def count_step(self, loss: Tensor, *, correct: int) -> None:
        """Count a finished step."""
        self.batch += 1
        self.loss += loss.item()
        self.correct += correct

    def end_epoch(self) -> None:
        """Log the epoch, go on to the next one, and save."""
        size, batches = self.batches.batch_size, self.batches.batches_per_epoch
        trained_here = (self.batch - self._resumed_at) * size
        self.folder.log_epoch(
            self.epoch,
            loss=round(self.loss / batches, 6),
            accuracy=round(self.correct / (batches * size), 6),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            clips_per_second=round(trained_here / (time.monotonic() - self._epoch_started), 2),
        )
        self.epoch, self.batch, self.loss, self.correct = self.epoch + 1, 0, 0.0, 0
        self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        self.saved = time.monotonic()
        state = {
            "epoch": self.epoch,
            "batch": self.batch,
            "loss": self.loss,
            "correct": self.correct,
            "trained_part": self.classifier.trained_part.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(state, self.folder.checkpoint, version=CHECKPOINT_FORMAT)

    def restore(self) -> None:
        """Read the checkpoint, if there is one."""
        if not has_checkpoint(self.folder.checkpoint):
            return
        state = load_checkpoint(self.folder.checkpoint, version=CHECKPOINT_FORMAT)
        with refusing_other_content(self.folder.checkpoint):
            self.classifier.trained_part.load_state_dict(state["trained_part"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch, self.batch, self.correct = (
                require_counter(state[name]) for name in ("epoch", "batch", "correct")
            )
            self.loss = float(state["loss"])

    def progress_bar(self, *, enabled: bool) -> "tqdm[None]":
        """Return a bar over the clips of all epochs."""
        size, batches = self.batches.batch_size, self.batches.batches_per_epoch
        return tqdm(
            total=self.settings.epochs * batches * size,
            initial=(self.epoch * batches + self.batch) * size,
            desc="train",
            unit="clip",
            disable=not enabled,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def show(self, bar: "tqdm[None]") -> None:
        """Advance the bar by one batch, with the mean loss and accuracy of the epoch so far."""
        size = self.batches.batch_size
        bar.set_postfix_str(
            f"epoch {self.epoch + 1}/{self.settings.epochs}, "
            f"loss {self.loss / self.batch:.3f}, "
            f"training accuracy {self.correct / (self.batch * size):.0%}",
            refresh=False,
        )
        bar.update(size)
