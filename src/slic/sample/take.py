"""The drawn settings of one video, whatever the action: view, camera, light, noise, performance.

Nothing here takes an action, so nothing here can tell it.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Float64

from slic.sample.actions import IDLE_ARMS, STANCES, Style

Level = Literal["easy", "hard"]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Strength:
    """The ranges that a level draws from; pixels are those of the 320 x 240 frame."""

    duration_seconds: Range
    cycles_per_second: Range
    yaw_degrees: Range  # away from the camera, to either side
    pitch_degrees: Range  # how far the camera looks down
    figure_pixels: Range  # height of the standing figure
    side_pixels: float  # the figure stands up to this far from the middle
    feet_row: Range  # row of the frame where the feet stand
    glide_pixels: float  # how far the figure drifts over the ground, per second
    pan_pixels: float  # how far the camera drifts, per second
    shake_pixels: float
    roll_degrees: float
    backdrop_pixels: float  # how far the background moves on its own, per second
    ripple_pixels: float  # waves of the background
    distractors: int  # at most so many moving things
    textured: bool
    gain: Range
    flicker: float
    noise: Range  # standard deviation, of 255
    blur: Range  # Gaussian sigma


STRENGTHS: dict[Level, Strength] = {
    "easy": Strength(
        duration_seconds=(2.0, 3.4),
        cycles_per_second=(0.8, 1.6),
        yaw_degrees=(12.0, 62.0),
        pitch_degrees=(0.0, 14.0),
        figure_pixels=(150.0, 190.0),
        side_pixels=34.0,
        feet_row=(204.0, 228.0),
        glide_pixels=5.0,
        pan_pixels=4.0,
        shake_pixels=0.6,
        roll_degrees=0.3,
        backdrop_pixels=0.0,
        ripple_pixels=0.0,
        distractors=0,
        textured=False,
        gain=(0.7, 1.15),
        flicker=0.02,
        noise=(1.0, 5.0),
        blur=(0.0, 0.8),
    ),
    "hard": Strength(
        duration_seconds=(2.0, 6.0),
        cycles_per_second=(0.6, 2.0),
        yaw_degrees=(0.0, 180.0),
        pitch_degrees=(-4.0, 32.0),
        figure_pixels=(80.0, 170.0),
        side_pixels=90.0,
        feet_row=(160.0, 232.0),
        glide_pixels=25.0,
        pan_pixels=22.0,
        shake_pixels=2.5,
        roll_degrees=1.5,
        backdrop_pixels=30.0,
        ripple_pixels=4.0,
        distractors=5,
        textured=True,
        gain=(0.4, 1.3),
        flicker=0.07,
        noise=(2.0, 14.0),
        blur=(0.0, 1.6),
    ),
}
RATES = (Fraction(25), Fraction(30000, 1001), Fraction(30))


@dataclass(frozen=True, kw_only=True)
class Take:
    """One drawn recording."""

    strength: Strength
    frames: int
    fps: Fraction
    style: Style
    yaw: float  # radians
    pitch: float  # radians
    distance_metres: float  # of the camera: strength of the perspective
    figure_pixels: float
    place: tuple[float, float]  # (x, y) of the feet in the frame
    glide: tuple[float, float]  # pixels a second
    pan: tuple[float, float]  # pixels a second
    zoom: float
    light: tuple[float, float]
    gain: Float64[np.ndarray, "3"]
    seed: int  # of shake, ripples, distractors and noise


def draw_take(rng: np.random.Generator, level: Level) -> Take:
    """Draw one recording of a level."""
    strength = STRENGTHS[level]
    fps = RATES[rng.integers(len(RATES))]
    lamp = rng.uniform(-2.2, -0.9)
    return Take(
        strength=strength,
        frames=round(rng.uniform(*strength.duration_seconds) * float(fps)),
        fps=fps,
        style=_draw_style(rng, strength),
        yaw=np.radians(rng.uniform(*strength.yaw_degrees)) * rng.choice([-1, 1]),
        pitch=np.radians(rng.uniform(*strength.pitch_degrees)),
        distance_metres=rng.uniform(3.5, 9.0),
        figure_pixels=rng.uniform(*strength.figure_pixels),
        place=(160 + rng.uniform(-1, 1) * strength.side_pixels, rng.uniform(*strength.feet_row)),
        glide=(rng.uniform(-1, 1) * strength.glide_pixels, 0.0),
        pan=(
            rng.uniform(-1, 1) * strength.pan_pixels,
            rng.uniform(-0.3, 0.3) * strength.pan_pixels,
        ),
        zoom=rng.uniform(0.97, 1.1),
        light=(np.cos(lamp), np.sin(lamp)),
        gain=rng.uniform(*strength.gain) * rng.uniform(0.9, 1.1, size=3),
        seed=int(rng.integers(2**31)),
    )


def _draw_style(rng: np.random.Generator, strength: Strength) -> Style:
    idle = list(IDLE_ARMS.values())
    both = rng.integers(len(idle)) if rng.random() < 0.6 else None
    arms = [idle[both if both is not None else rng.integers(len(idle))] for _ in range(2)]
    stance = [[*leg, 0.0] for leg in list(STANCES.values())[rng.integers(len(STANCES))]]
    if rng.random() < 0.5:
        stance.reverse()
    low, high = np.log(strength.cycles_per_second)
    return Style(
        cycles_per_second=float(np.exp(rng.uniform(low, high))),
        start=rng.uniform(0, 1),
        swing=rng.uniform(-0.15, 0.15),
        amplitude=rng.uniform(0.85, 1.12),
        side=int(rng.integers(2)),
        carried=bool(rng.random() < 0.5),
        arms=np.radians(np.array(arms) + rng.normal(0, 7, size=(2, 4))),
        legs=np.radians(np.array(stance) + [[*rng.normal(0, 2, size=2), 0, 0] for _ in range(2)]),
        fidget=np.radians(rng.uniform(1.5, 5)),
        fidget_phases=rng.uniform(0, 2 * np.pi, size=8),
    )
