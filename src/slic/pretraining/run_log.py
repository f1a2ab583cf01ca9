"""The log of a run: ``log.jsonl``, a progress bar on stderr, trackers, and warnings."""

import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from slic.callbacks import Callback
from slic.clustering.base import Partitions, PseudoLabels
from slic.devices import PendingCopy, copy_to_host
from slic.errors import TrainingError
from slic.pretraining.distributed import Processes
from slic.pretraining.folder import RunFolder
from slic.pretraining.loop import Run, StepResult
from slic.pretraining.objective import LossTerms
from slic.pretraining.observer import Observer
from slic.pretraining.trackers import PROJECT, flat_settings

MAX_SKIPPED_STEPS = 20
"""Skipped steps in a row after which a run gives up."""
COLLAPSE_SPREAD = 1e-3
"""Spread of the embeddings of a batch below which the encoder has collapsed."""
ADVICE_SECONDS = 60.0
"""Seconds of training after which slow loading is reported, once."""
_NOT_FINITE = (
    "Lower optimizer.learning_rate, or set train.precision to fp32; check a loss of your own."
)
_GPU_LAG_STEPS = 4  # the host reads figures so many steps late, so that the GPU always has work


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What is known of a step on the host.

    Attributes:
        epoch: Number of epochs before this one.
        step: Number of finished steps, with this one.
        learning_rate: Of the step.
        clips: Number of clips, over all processes.
        overlap: 1 for each sample of this process whose clips share frames, on the host.
        seconds: Seconds since the end of the step before it.
        waited: Seconds of these before the batch was loaded.
    """

    epoch: int
    step: int
    learning_rate: float
    clips: int
    overlap: Tensor
    seconds: float
    waited: float


class _PendingFigures(NamedTuple):
    record: StepRecord
    figures: PendingCopy


class RunLog(Callback):
    """Records rounds and steps; used as a context, it closes the bar and the trackers.

    Only the main process writes. All processes count skipped steps, so that all give up at the
    same step: figures are read a fixed number of steps late, not when they happen to arrive.

    Args:
        folder: The run folder.
        processes: The processes of the run.
        ids: The training videos.
        settings: Of the run, for the trackers.
        observer: Sees each round; what it returns is logged beside it.
        advice: Warnings to give at the start.
        progress: Whether to show a progress bar.
    """

    def __init__(
        self,
        folder: RunFolder,
        processes: Processes,
        *,
        ids: Sequence[str],
        settings: Mapping[str, Any] = MappingProxyType({}),
        observer: Observer | None = None,
        advice: Sequence[str] = (),
        progress: bool = True,
    ) -> None:
        self.folder = folder
        self.processes = processes
        self.ids = ids
        self.settings = settings
        self.observer = observer
        self.advice = advice
        self.progress = progress
        self._lag = _lag_steps(processes.device)
        self._pending = deque[_PendingFigures]()
        self._clusters = ""
        self._seconds = self._waited = 0.0  # of all steps so far
        self._lap = self._loaded = 0.0
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self.processes.accelerator.end_training()

    def on_start(self, run: Run) -> None:
        """Open the bar and the trackers, and give advice."""
        config = flat_settings(self.settings)
        self.processes.accelerator.init_trackers(PROJECT, config=config)
        self._bar = tqdm(
            total=run.total_steps,
            initial=run.state.step,
            unit="step",
            disable=not (self.progress and self.processes.is_main),
            file=sys.stderr,
            dynamic_ncols=True,
            smoothing=0.05,
        )
        if run.state.pseudo_labels is not None:
            self._clusters = _clusters_text(run.state.pseudo_labels)
        for message in self.advice:
            self.warn(message, epoch=run.state.epoch, step=run.state.step)

    def on_round_begin(self, run: Run) -> None:
        """Warn of a collapsed encoder before its embeddings are clustered."""
        self._warn_of_collapse(run)

    def on_clustered(self, run: Run, previous: Partitions | None) -> None:
        """Write the pseudo-labels of a round, and log them: a record for each vector."""
        by_vector = run.state.pseudo_labels
        assert by_vector is not None
        self._clusters = _clusters_text(by_vector)
        if not self.processes.is_main:
            return
        for vector, labels in by_vector.items():
            # an encoder with one vector has no need to name it
            name = {"vector": vector} if len(by_vector) > 1 else {}
            before = previous[vector] if previous else None
            self._log_round(run, labels, before, **name)

    def _log_round(
        self, run: Run, labels: PseudoLabels, previous: PseudoLabels | None, **name: str
    ) -> None:
        epoch, step, found = run.state.epoch, run.state.step, labels.labels.tolist()
        self.folder.save_clusters(epoch, self.ids, found, **name)
        truth = self.observer.clustered(self.ids, found) if self.observer else {}
        agreement = labels.agreement(previous) if previous else None
        self.folder.log(
            "round", epoch=epoch, step=step, **name, **labels.summary(), agreement=agreement,
            **truth,
        )  # fmt: skip
        if labels.one_cluster:
            message = "all videos are in one cluster, so there is no negative to learn from."
            self.warn(message, epoch=epoch, step=step)

    def on_epoch_begin(self, run: Run) -> None:  # noqa: ARG002 (an event)
        """Start the clock of the first step."""
        self._lap = time.monotonic()

    def on_step_begin(self, run: Run) -> None:  # noqa: ARG002 (an event)
        """Note when the batch was loaded."""
        self._loaded = time.monotonic()

    def on_step_end(self, run: Run, result: StepResult) -> None:
        """Copy the figures of the step to the host, and log those that are due.

        Raises:
            TrainingError: Too many steps in a row were skipped.
        """
        before, self._lap = self._lap, time.monotonic()
        videos, views = result.batch.clips.shape[:2]
        record = StepRecord(
            epoch=run.state.epoch,
            step=run.state.step,
            learning_rate=result.learning_rate,
            clips=videos * views * self.processes.count,
            overlap=result.batch.overlap,
            seconds=self._lap - before,
            waited=self._loaded - before,
        )
        figures = torch.stack([*result.terms, result.skipped]).detach()
        self._pending.append(_PendingFigures(record, copy_to_host(figures)))
        self.flush(run, keep=self._lag)

    def on_end(self, run: Run) -> None:
        """Log the last steps, and warn of a collapsed encoder.

        Raises:
            TrainingError: Every step was skipped, so nothing was learned.
        """
        self.flush(run)
        if 0 < run.state.step <= run.state.skipped_in_a_row:
            raise TrainingError(
                f"the loss or gradient of all {run.state.step} steps was not finite. {_NOT_FINITE}"
            )
        self._warn_of_collapse(run)

    def flush(self, run: Run, *, keep: int = 0) -> None:
        """Log all steps but the last ``keep`` ones.

        Raises:
            TrainingError: Too many steps in a row were skipped.
        """
        while len(self._pending) > keep:
            record, figures = self._pending.popleft()
            *values, skipped = figures.wait().tolist()
            terms = dict(zip(LossTerms._fields, values, strict=True))
            self._count_skipped(run, record, skipped=bool(skipped))
            run.state.spread = terms["spread"]
            if self.processes.is_main:
                self._write(record, terms)

    def warn(self, message: str, *, epoch: int, step: int) -> None:
        """Write a warning above the bar and into the log."""
        if self.processes.is_main:
            assert self._bar is not None, "the bar opens when the run starts"
            self._bar.write(f"warning: {message}", file=sys.stderr)
            self.folder.log("warning", epoch=epoch, step=step, message=message)

    def _write(self, record: StepRecord, terms: dict[str, float]) -> None:
        """Log a step and move the bar."""
        values = {name: round(value, 6) for name, value in terms.items()}
        values["loss"] = values.pop("total")
        values["learning_rate"] = record.learning_rate
        self.folder.log(
            "step",
            step=record.step,
            epoch=record.epoch,
            **values,
            overlapping=int(record.overlap.sum()),
            seconds=round(record.seconds, 4),
            waited=round(record.waited, 4),
            clips_per_second=round(record.clips / record.seconds, 2),
        )
        self.processes.accelerator.log(values, step=record.step)
        assert self._bar is not None
        rate = self._bar.format_dict["rate"] or 0.0
        self._bar.set_postfix_str(
            f"loss {values['loss']:.3f}, active {values['active']:.0%}, {self._clusters} clusters, "
            f"{record.clips * rate:.0f} clips/s",
            refresh=False,
        )
        self._bar.update()
        self._advise_on_loading(record)

    def _advise_on_loading(self, record: StepRecord) -> None:
        """Say once, after a minute of steps, if most of it was spent waiting for videos."""
        if self._seconds > ADVICE_SECONDS:
            return
        self._seconds, self._waited = self._seconds + record.seconds, self._waited + record.waited
        if self._seconds > ADVICE_SECONDS and self._waited > self._seconds / 2:
            assert self._bar is not None
            self._bar.write(
                f"note: {self._waited / self._seconds:.0%} of the time is spent waiting for "
                "videos. Proxies load faster (see `slic prepare`), and so do more workers "
                "(train.workers) if there are cores for them.",
                file=sys.stderr,
            )

    def _count_skipped(self, run: Run, record: StepRecord, *, skipped: bool) -> None:
        """Report the first skipped step in a row; give up after many."""
        state = run.state
        state.skipped_in_a_row = state.skipped_in_a_row + 1 if skipped else 0
        if state.skipped_in_a_row == 1:
            message = f"step {record.step}: loss or gradient is not finite; the step was skipped."
            self.warn(message, epoch=record.epoch, step=record.step)
        if state.skipped_in_a_row >= MAX_SKIPPED_STEPS:
            raise TrainingError(
                f"{MAX_SKIPPED_STEPS} steps in a row, up to step {record.step}, had a loss or "
                f"gradient that is not finite. {_NOT_FINITE}"
            )

    def _warn_of_collapse(self, run: Run) -> None:
        """Warn if the embeddings of the last batch were all alike."""
        spread = run.state.spread
        if spread < COLLAPSE_SPREAD:
            message = (
                f"the encoder has collapsed: all embeddings are alike (spread {spread:.1e}). Lower "
                "optimizer.learning_rate, or set loss.name to info_nce."
            )
            self.warn(message, epoch=run.state.epoch, step=run.state.step)


def _clusters_text(pseudo_labels: Partitions) -> str:
    """Return the numbers of clusters, such as ``97 + 88`` for two vectors."""
    return " + ".join(str(labels.clusters) for labels in pseudo_labels.values())


def _lag_steps(device: torch.device) -> int:
    """Return how many steps late figures are read."""
    return _GPU_LAG_STEPS if device.type == "cuda" else 0
