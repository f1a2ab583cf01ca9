"""Nothing that is drawn for a video depends on its action."""

import inspect

import numpy as np
import pytest

from slic.sample.backgrounds import paint_background
from slic.sample.figure import draw_actor
from slic.sample.take import LEVEL_RANGES, SampleLevel, draw_take
from slic.videos.encoding import draw_encoding


def test_nothing_drawn_for_a_video_can_know_its_action() -> None:
    for draw in (draw_take, draw_encoding, draw_actor, paint_background):
        assert "action" not in inspect.signature(draw).parameters


@pytest.mark.parametrize("level", LEVEL_RANGES)
def test_takes_are_within_the_ranges_of_their_level(level: SampleLevel) -> None:
    ranges = LEVEL_RANGES[level]
    takes = [draw_take(np.random.default_rng(seed), level) for seed in range(50)]
    for take in takes:
        slowest, fastest = ranges.cycles_per_second
        assert slowest <= take.style.cycles_per_second <= fastest
        shortest, longest = ranges.duration_seconds
        assert shortest - 0.03 <= take.frames / float(take.fps) <= longest + 0.03
        assert ranges.yaw_degrees[0] <= abs(np.degrees(take.yaw)) <= ranges.yaw_degrees[1]
        assert ranges.figure_pixels[0] <= take.figure_pixels <= ranges.figure_pixels[1]
    assert len({take.seed for take in takes}) == 50
