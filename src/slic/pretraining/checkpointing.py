"""Save a run: at the end of each epoch, every ten minutes, and when it is asked to stop."""

import time
from collections.abc import Sequence

from slic.callbacks import Callback
from slic.clustering.base import Partitions
from slic.models.encoder import VideoEncoder
from slic.pretraining.folder import RunFolder
from slic.pretraining.loop import Run, StepResult
from slic.pretraining.run_log import RunLog
from slic.pretraining.state import load_state, save_state
from slic.runs import has_checkpoint
from slic.signals import StopRequest, StopRequested

SAVE_INTERVAL_SECONDS = 600.0
"""An epoch of a large set takes long; a kill loses at most this much work."""


class Checkpointer(Callback):
    """Writes the checkpoints of a run; it must be the last callback, because it ends the run.

    Args:
        folder: The run folder.
        log: Its records are complete up to a checkpoint.
        ids: The training videos.
        stop_requested: Tells whether the user asked this process to stop.
        snapshot_every_epochs: Keep the encoder every so many epochs; 0 keeps none.
    """

    def __init__(
        self,
        folder: RunFolder,
        log: RunLog,
        *,
        ids: Sequence[str],
        stop_requested: StopRequest,
        snapshot_every_epochs: int = 0,
    ) -> None:
        self.folder = folder
        self.log = log
        self.ids = ids
        self.stop_requested = stop_requested
        self.snapshot_every_epochs = snapshot_every_epochs
        self._saved = time.monotonic()

    def on_round_begin(self, run: Run) -> None:
        """Let a signal interrupt a round: it takes long, and there is nothing new to save.

        Raises:
            Interrupted: A signal came before the first step.
            StopRequested: A signal came just before; the run is saved.
        """
        if run.processes.count == 1:  # of several none stops alone
            if run.state.step and self.stop_requested():
                raise StopRequested
            self.stop_requested.interrupt_from_now_on()

    def on_clustered(self, run: Run, previous: Partitions | None) -> None:  # noqa: ARG002 (an event)
        """Let signals wait for the end of a step again."""
        self.stop_requested.at_once = False

    def on_step_end(self, run: Run, result: StepResult) -> None:  # noqa: ARG002 (an event)
        """Save if it is time to, or if any process was asked to stop.

        Raises:
            StopRequested: The run was asked to stop, and is saved.
        """
        stop = run.processes.any_at_step(self.stop_requested(), run.state.step)
        if stop or time.monotonic() - self._saved > SAVE_INTERVAL_SECONDS:
            self.save(run)
        if stop:
            raise StopRequested

    def on_epoch_end(self, run: Run) -> None:
        """Keep a snapshot if one is due, then save."""
        every = self.snapshot_every_epochs
        if every and run.state.epoch % every == 0 and run.processes.is_main:
            encoder_to_keep(run).save_pretrained(self.folder.snapshot(run.state.step))
        self.save(run)

    def save(self, run: Run) -> None:
        """Write the checkpoint; the log then holds every step before it.

        Raises:
            WriteError: The file cannot be written. The former checkpoint stays.
        """
        self.log.flush(run)
        self._saved = time.monotonic()
        if run.processes.is_main:
            save_state(
                self.folder.checkpoint,
                run.state,
                encoder=run.encoder,
                optimizer=run.optimizer.optimizer,
                ids=self.ids,
                processes=run.processes.count,
            )


def encoder_to_keep(run: Run) -> VideoEncoder:
    """Return the encoder that the run gives.

    With several vectors the heads serve training only. The features find better, and keep the
    meaning of each vector.
    """
    return run.encoder.without_head() if len(run.encoder.vectors) > 1 else run.encoder


def restore(run: Run, folder: RunFolder, *, ids: Sequence[str]) -> int:
    """Go back to the checkpoint of a run, if there is one; later records are dropped.

    Returns:
        Number of processes that wrote it; those of this run if there is none.

    Raises:
        CheckpointError: The checkpoint is damaged or belongs to another run.
    """
    state, before = run.state, run.processes.count
    if has_checkpoint(folder.checkpoint):
        before = load_state(
            folder.checkpoint,
            state,
            encoder=run.encoder,
            optimizer=run.optimizer.optimizer,
            ids=ids,
        )
    if run.processes.is_main:
        folder.rewind_log(epoch=state.epoch, step=state.step, mid_epoch=state.batch > 0)
    return before
