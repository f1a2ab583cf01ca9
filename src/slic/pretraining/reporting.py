"""What a run says while it works: the bar on stderr, ``log.jsonl``, TensorBoard, an observer."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, runtime_checkable

from accelerate import Accelerator
from jaxtyping import Int
from torch import Tensor
from tqdm import tqdm

from slic.clustering.base import PseudoLabels
from slic.pretraining.folder import RunFolder

ADVISE_AFTER_SECONDS = 60.0


@runtime_checkable
class Observer(Protocol):
    """Sees every clustering; whatever it returns is written to the log beside the round.

    This is the one way by which ground truth comes near a run, and nothing goes back.
    """

    def clustered(self, ids: Sequence[str], pseudo_labels: Sequence[int]) -> Mapping[str, float]:
        """Return figures of a round, such as its agreement with labels."""
        ...


@dataclass(frozen=True, kw_only=True)
class StepAbout:
    """What is known of a step without its figures.

    Attributes:
        epoch: Epochs before this one.
        step: Steps done, this one included.
        learning_rate: Of the step.
        clips: Of all processes.
        overlapping: Videos of this process too short for two clips side by side; on the host.
        seconds: From the end of the step before it, so the wait for the batch counts.
        waited: Seconds of these in which there was no batch yet.
    """

    epoch: int
    step: int
    learning_rate: float
    clips: int
    overlapping: Int[Tensor, ""]
    seconds: float
    waited: float


class Reporter:
    """Speaks for the main process only; the others are silent."""

    def __init__(self, folder: RunFolder, accelerator: Accelerator) -> None:
        self.folder = folder
        self.accelerator = accelerator
        self.clusters = 0
        self.seconds = self.waited = 0.0  # of the steps so far

    def start(self, total_steps: int, *, done: int, progress: bool) -> None:
        """Open the bar and the trackers."""
        self.progress = progress
        self.accelerator.init_trackers("tensorboard")
        self.bar = tqdm(
            total=total_steps,
            initial=done,
            unit="step",
            disable=not progress,
            file=sys.stderr,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
        self.accelerator.end_training()

    def clustered(
        self,
        pseudo_labels: PseudoLabels,
        *,
        epoch: int,
        step: int,
        agreement: float | None,
        **truth: float,
    ) -> None:
        """Log a round: its clusters, their agreement with the last round's and with the truth."""
        self.clusters = pseudo_labels.clusters
        summary = pseudo_labels.summary()
        self.folder.log("round", epoch=epoch, step=step, **summary, agreement=agreement, **truth)
        if pseudo_labels.one_cluster:
            message = "all videos fell into one cluster, so there is no negative to learn from."
            self.warn(message, epoch=epoch, step=step)

    def stepped(self, about: StepAbout, terms: Mapping[str, float]) -> None:
        """Log a step and move the bar."""
        if not self.accelerator.is_main_process:
            return
        values = {name: round(value, 6) for name, value in terms.items()}
        values["loss"] = values.pop("total")
        values["learning_rate"] = about.learning_rate
        self.folder.log(
            "step",
            step=about.step,
            epoch=about.epoch,
            **values,
            overlapping=int(about.overlapping),
            seconds=round(about.seconds, 4),
            waited=round(about.waited, 4),
            clips_per_second=round(about.clips / about.seconds, 2),
        )
        self.accelerator.log(values, step=about.step)
        self.bar.set_postfix_str(
            f"loss {values['loss']:.3f}, active {values['active']:.0%}, {self.clusters} clusters, "
            f"{about.clips * (self.bar.format_dict['rate'] or 0.0):.0f} clips/s",
            refresh=False,
        )
        self.bar.update()
        self._advise(about)

    def _advise(self, about: StepAbout) -> None:
        """Say once, after a minute of steps, when most of it went into waiting for videos."""
        if self.seconds > ADVISE_AFTER_SECONDS:
            return
        self.seconds, self.waited = self.seconds + about.seconds, self.waited + about.waited
        if self.seconds > ADVISE_AFTER_SECONDS and self.waited > self.seconds / 2:
            self.bar.write(
                f"note: {self.waited / self.seconds:.0%} of the time goes into waiting for videos. "
                "Proxies load faster (slic prepare VIDEOS --proxies), and so do more processes "
                "(--train.workers) where there are cores for them.",
                file=sys.stderr,
            )

    def warn(self, message: str, *, epoch: int, step: int) -> None:
        """Write a line above the bar and into the log."""
        if self.accelerator.is_main_process:
            self.bar.write(f"warning: {message}", file=sys.stderr)
            self.folder.log("warning", epoch=epoch, step=step, message=message)
