"""The length of a run: its epochs, its steps, and how often it clusters."""

import math
from typing import Final, NamedTuple

from slic.recipe.recipe import Recipe

AUTO_STEPS: Final = 240
"""Steps of an automatic length for up to `AUTO_VIDEOS` videos: more gained nothing there."""
AUTO_VIDEOS: Final = 400
MIN_AUTO_EPOCHS: Final = 4
"""Passes over the videos in an automatic length; before each comes a round of clustering."""
SHORTEST_EPOCH: Final = 12
"""Steps that an epoch counts at least when rounds are spaced: those of `AUTO_VIDEOS` videos."""
ROUNDS_SHARE: Final = 20
"""Parts of a run. When rounds are spaced, an epoch counts one part at most."""


class RunLength(NamedTuple):
    """How long a run is.

    Attributes:
        epochs: Number of epochs; the last one may be cut short.
        steps: Number of steps in all.
        round_epochs: Epochs between two rounds of clustering.
    """

    epochs: int
    steps: int
    round_epochs: int


def run_length(recipe: Recipe, *, videos: int, steps_per_epoch: int) -> RunLength:
    """Return the length of a run.

    ``train.epochs`` and ``rounds.every_epochs`` count passes over the videos. With ``train.steps``,
    ``rounds.every_epochs`` counts epochs of at least `SHORTEST_EPOCH` steps and of at most a
    twentieth of the run: few videos would be clustered every few steps, many videos hardly ever.

    Args:
        recipe: The recipe.
        videos: Number of training videos or segments.
        steps_per_epoch: Steps of a pass over them.
    """
    train, every = recipe.train, recipe.rounds.every_epochs
    if train.epochs is not None:
        return RunLength(train.epochs, train.epochs * steps_per_epoch, every)
    automatic = auto_steps(videos, steps_per_epoch)
    steps = automatic if train.steps in ("auto", None) else int(train.steps)
    apart = every * min(max(steps_per_epoch, SHORTEST_EPOCH), steps / ROUNDS_SHARE)
    round_epochs = max(1, math.ceil(apart / steps_per_epoch))
    return RunLength(math.ceil(steps / steps_per_epoch), steps, round_epochs)


def auto_steps(videos: int, steps_per_epoch: int) -> int:
    """Return the steps of ``train.steps: auto``, a multiple of those of an epoch.

    They are `AUTO_STEPS` for up to `AUTO_VIDEOS` videos, grow with the square root of the number
    of videos beyond, and make `MIN_AUTO_EPOCHS` epochs at least (docs/results.md, *Steps and
    videos*).

    Example:
        >>> auto_steps(10, 1), auto_steps(400, 12), auto_steps(1600, 50), auto_steps(20_000, 625)
        (240, 240, 500, 2500)
    """
    wanted = AUTO_STEPS * math.sqrt(max(1.0, videos / AUTO_VIDEOS))
    return max(MIN_AUTO_EPOCHS, math.ceil(wanted / steps_per_epoch)) * steps_per_epoch
