"""Callbacks: code that a pretraining run calls between its steps.

A recipe names callbacks in a list; each is a key of `CALLBACKS`, or an import path outside the
package, with its arguments.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from slic.arguments import require
from slic.errors import RecipeError
from slic.models.backbones.base import HidesMeanFrame


@runtime_checkable
class RunView(Protocol):
    """What a callback sees of a run.

    Attributes:
        encoder: The encoder, which training changes in place.
        state: Counters of the run: ``epoch``, ``step`` (steps done) and ``pseudo_labels``, by
            the name of the vector that was clustered.
        total_steps: Number of steps of the whole run.
        processes: The processes of the run. Write files only where ``processes.is_main`` is true.
    """

    encoder: Any
    state: Any
    total_steps: int
    processes: Any


class Callback:
    """Base class of callbacks; every method does nothing.

    ``run`` is a `RunView`. It is annotated as Any here, so that a callback may name what it needs.
    The constructor also runs when a recipe is only checked: open files in ``on_start``. A run that
    was killed repeats what came after its last checkpoint, so an event may come twice.
    """

    def on_start(self, run: Any) -> None:
        """Call once, before the first epoch."""

    def on_round_begin(self, run: Any) -> None:
        """Call before the videos are embedded for a round of clustering."""

    def on_clustered(self, run: Any, previous: Any) -> None:
        """Call after a round; ``previous`` are the pseudo-labels before it, or None."""

    def on_epoch_begin(self, run: Any) -> None:
        """Call before the first batch of an epoch is loaded, after a round if one is due."""

    def on_step_begin(self, run: Any) -> None:
        """Call when a batch is loaded, before its forward pass."""

    def on_step_end(self, run: Any, result: Any) -> None:
        """Call after a step.

        Args:
            run: The run.
            result: A `slic.pretraining.loop.StepResult`: the losses (``terms``), whether the step
                was ``skipped``, both on the device; the ``batch`` and the ``learning_rate``.
        """

    def on_epoch_end(self, run: Any) -> None:
        """Call after the last step of an epoch; ``state.epoch`` counts it already."""

    def on_end(self, run: Any) -> None:
        """Call once, after the last epoch."""


class CallbackList(Callback):
    """Several callbacks as one. Every event reaches them in order.

    Args:
        callbacks: The callbacks.
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self.callbacks = list(callbacks)

    def on_start(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_start(run)

    def on_round_begin(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_round_begin(run)

    def on_clustered(self, run: Any, previous: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_clustered(run, previous)

    def on_epoch_begin(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_epoch_begin(run)

    def on_step_begin(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_step_begin(run)

    def on_step_end(self, run: Any, result: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_step_end(run, result)

    def on_epoch_end(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_epoch_end(run)

    def on_end(self, run: Any) -> None:
        """Pass the event on."""
        for callback in self.callbacks:
            callback.on_end(run)


@dataclass(frozen=True)
class MeanFrameFade(Callback):
    """Hide each clip's mean frame at first, then fade it in.

    Appearance dominates motion. In a short run, an encoder that sees whole clips from the first
    step does not learn motion; one that learns motion first keeps it while appearance fades in.

    Args:
        start: Share of the run up to which the mean frame is hidden.
        end: Share of the run from which on it is seen completely. Between the two, its weight grows
            linearly.

    Raises:
        RecipeError: Not ``0 <= start <= end <= 1``, or ``start`` is 1.
    """

    start: float = 0.2
    end: float = 0.5

    def __post_init__(self) -> None:
        in_order = 0 <= self.start <= self.end <= 1 and self.start < 1
        rule = "shares of the run with 0 <= start <= end <= 1 and start < 1"
        require(in_order, "(start, end)", (self.start, self.end), rule)

    def weight(self, step: int, total_steps: int) -> float:
        """Return the weight of the mean frame at a step."""
        start, end = self.start * total_steps, self.end * total_steps
        if step >= end:
            return 1.0
        return 0.0 if step < start else (step - start) / (end - start)

    def on_start(self, run: RunView) -> None:
        """Check that the backbone can hide its mean frame; restore the weight of a resumed run."""
        if not isinstance(run.encoder.backbone, HidesMeanFrame):
            raise RecipeError(
                "callbacks: mean_frame_fade needs a backbone with a mean_frame_weight, such as "
                "'slic/r3d18' or 'slic/motion'."
            )
        if run.encoder.backbone.mean_frame_weight < 1 and run.state.step == 0:
            raise RecipeError(
                "backbone.mean_frame_weight is below 1, but mean_frame_fade sets it at every step. "
                "Choose one of the two."
            )
        if run.state.step > 0:
            weight = self.weight(run.state.step - 1, run.total_steps)
            run.encoder.backbone.mean_frame_weight = weight

    def on_round_begin(self, run: RunView) -> None:
        """Set the weight for embedding."""
        self.on_step_begin(run)

    def on_step_begin(self, run: RunView) -> None:
        """Set the weight of this step."""
        run.encoder.backbone.mean_frame_weight = self.weight(run.state.step, run.total_steps)


CALLBACKS: dict[str, type] = {"mean_frame_fade": MeanFrameFade}
