"""Frames of a drawn action."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from jaxtyping import UInt8

from slic.sample.backgrounds import paint_background
from slic.sample.figure import draw_actor
from slic.sample.scene import render_video
from slic.sample.take import SampleLevel, draw_take

DrawClip = Callable[..., UInt8[np.ndarray, "t h w 3"]]


def draw_frames(
    action: str, level: SampleLevel, *, frames: int, seed: int = 3
) -> UInt8[np.ndarray, "t h w 3"]:
    rng = np.random.default_rng(seed)
    actor, take = draw_actor(rng), dataclasses.replace(draw_take(rng, level), frames=frames)
    background = paint_background(seed, textured=take.ranges.textured)
    return np.stack(list(render_video(action, actor=actor, background=background, take=take)))


@pytest.fixture(scope="session")
def draw_clip() -> DrawClip:
    """Return :func:`draw_frames`."""
    return draw_frames
