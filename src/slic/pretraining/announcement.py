"""Say how long a run is: its videos and steps when it starts, its time after a few steps."""

import sys
import time
from typing import Any

from tqdm import tqdm

from slic.callbacks import Callback

MEASURED_STEPS = 5
_FIRST_STEPS = 1  # they also start workers and choose kernels


class Announcement(Callback):
    """Writes the length of a run to stderr.

    Args:
        videos: The training videos in words.
        show: Whether this process writes.
    """

    def __init__(self, videos: str, *, show: bool) -> None:
        self.videos = videos
        self.show = show
        self._steps = 0
        self._lap = self._round_began = self._round_seconds = 0.0

    def on_start(self, run: Any) -> None:
        """Say what the run trains on, and for how many steps."""
        done = f", {run.state.step:,} of them done" if run.state.step else ""
        self._say(f"training on {self.videos}: {run.total_steps:,} steps{done}")

    def on_round_begin(self, run: Any) -> None:  # noqa: ARG002 (an event)
        """Measure a round from here."""
        self._round_began = time.monotonic()

    def on_clustered(self, run: Any, previous: Any) -> None:  # noqa: ARG002
        """Keep the duration of the round."""
        self._round_seconds = time.monotonic() - self._round_began

    def on_step_end(self, run: Any, result: Any) -> None:  # noqa: ARG002
        """After a few steps, say how long the others will take."""
        self._steps += 1
        if self._steps == _FIRST_STEPS:
            self._lap = time.monotonic()
        elif self._steps == _FIRST_STEPS + MEASURED_STEPS:
            seconds = (time.monotonic() - self._lap) / MEASURED_STEPS
            steps = run.total_steps - run.state.step
            left = range(run.state.epoch + 1, run.state.epochs)
            rounds = sum(map(run.rounds.due, left)) * self._round_seconds
            if steps > 0:
                self._say(f"{steps:,} more steps take about {in_words(steps * seconds + rounds)}")

    def _say(self, message: str) -> None:
        if self.show:
            tqdm.write(f"slic: {message}", file=sys.stderr)


def in_words(seconds: float) -> str:
    """Return a duration in the largest unit of which it has two, rounded.

    Example:
        >>> in_words(90), in_words(400), in_words(10_000)
        ('90 seconds', '7 minutes', '3 hours')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(1, round(seconds))} seconds"
