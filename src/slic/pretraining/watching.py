"""What the figures of the steps say: a record of each, steps left out in a row, a collapse."""

from collections import deque

import torch
from jaxtyping import Bool
from torch import Tensor

from slic.devices import PendingCopy, copy_to_host
from slic.errors import TrainingError
from slic.pretraining.objective import LossTerms
from slic.pretraining.reporting import Reporter, StepAbout

PATIENCE = 20  # batches in a row whose loss or gradient is not finite before the run gives up
ALIKE = 1e-3  # spread of a batch's embeddings under which the encoder has collapsed


class Watch:
    """Reads the figures of the steps in their order, some steps late so that nothing waits.

    Attributes:
        behind: How many steps late. It is not "as soon as they are there", because all processes
            have to give up after the same step.
        failures: Steps in a row that were left out.
        spread: Of the last batch's embeddings.
    """

    def __init__(self, reporter: Reporter, *, behind: int) -> None:
        self.reporter = reporter
        self.behind = behind
        self.failures = 0
        self.spread = 1.0
        self._unread = deque[tuple[StepAbout, PendingCopy]]()

    def stepped(self, about: StepAbout, terms: LossTerms, *, left_out: Bool[Tensor, ""]) -> None:
        """Take the figures of a step, and read those that are due."""
        figures = torch.stack([*terms, left_out]).detach()
        self._unread.append((about, copy_to_host(figures)))
        self.read(but=self.behind)

    def read(self, *, but: int = 0) -> None:
        """Read the figures of all steps but the latest so many.

        Raises:
            TrainingError: Too many steps in a row were left out.
        """
        while len(self._unread) > but:
            about, figures = self._unread.popleft()
            *values, left_out = figures.wait().tolist()
            terms = dict(zip(LossTerms._fields, values, strict=True))
            self._count(about, left_out=bool(left_out))
            self.spread = terms["spread"]
            self.reporter.stepped(about, terms)

    def _count(self, about: StepAbout, *, left_out: bool) -> None:
        """Say that a step was left out; give up after many in a row."""
        self.failures = self.failures + 1 if left_out else 0
        if self.failures == 1:
            message = f"step {about.step}: loss or gradient not finite; the step was left out."
            self.reporter.warn(message, epoch=about.epoch, step=about.step)
        if self.failures >= PATIENCE:
            raise TrainingError(
                f"{PATIENCE} steps in a row up to step {about.step} had a loss or gradient that is "
                "not finite. Lower --train.learning_rate or use --train.precision=fp32."
            )

    def warn_of_collapse(self, *, epoch: int, step: int) -> None:
        """Say when the embeddings of the last batch were all alike."""
        if self.spread < ALIKE:
            message = (
                f"the encoder has collapsed: all embeddings are alike (spread {self.spread:.1e}). "
                "Lower --train.learning_rate, or use --loss.kind=info_nce."
            )
            self.reporter.warn(message, epoch=epoch, step=step)
