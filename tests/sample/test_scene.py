"""Equal takes give equal pixels, and an action changes only the figure."""

from collections.abc import Callable

import numpy as np
import pytest
from jaxtyping import UInt8

from slic.sample import ACTIONS
from slic.sample.take import LEVEL_RANGES, SampleLevel

DrawClip = Callable[..., UInt8[np.ndarray, "t h w 3"]]
LEVELS = tuple(LEVEL_RANGES)


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(
    draw_clip: DrawClip, level: SampleLevel
) -> None:
    first = draw_clip("walk", level, frames=4)
    assert np.array_equal(first, draw_clip("walk", level, frames=4))
    assert not np.array_equal(first, draw_clip("walk", level, frames=4, seed=4))


@pytest.mark.parametrize("level", LEVELS)
def test_actions_differ_in_the_figure_only(draw_clip: DrawClip, level: SampleLevel) -> None:
    """The same take with another action: other pixels, but only around the person."""
    videos = [draw_clip(action, level, frames=4) for action in ACTIONS]
    for k, video in enumerate(videos):
        for other in videos[k + 1 :]:
            assert not np.array_equal(video, other)
            untouched = (video == other).all(axis=-1).mean()
            assert untouched > 0.6
