"""What is drawn for one video except its action: camera, light, noise and performance.

No function takes an action, so nothing but the motion depends on it.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Float64

from slic.sample.actions import IDLE_ARMS, STANCES, PerformanceStyle

SampleLevel = Literal["easy", "hard"]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LevelRanges:
    """Ranges that the takes of a level are drawn from; the defaults are those of ``"easy"``.

    Pixels are those of the frame of 320 x 240.

    Attributes:
        duration_seconds: Duration.
        cycles_per_second: Speed of the action.
        yaw_degrees: Direction of the figure away from the camera, to either side.
        pitch_degrees: Direction of the camera, positive downwards.
        figure_pixels: Height of the upright figure.
        side_pixels: Largest distance of the figure from the middle.
        feet_row: Row of the feet in the frame.
        glide_pixels: Largest speed of the figure over the ground, per second.
        pan_pixels: Largest speed of the camera, per second.
        shake_pixels: Shake of a hand-held camera.
        roll_degrees: Roll of a hand-held camera.
        background_pixels: Largest speed of the background on its own, per second.
        ripple_pixels: Largest amplitude of waves in the background.
        max_objects: Largest number of objects that move behind the figure.
        textured: Whether backgrounds have strong patterns.
        gain: Exposure; 1 is neutral.
        flicker: Largest change of the exposure over time.
        noise: Standard deviation of the sensor noise, in grey levels.
        blur: Standard deviation of the Gaussian blur, in pixels.
    """

    duration_seconds: Range = (2.0, 3.4)
    cycles_per_second: Range = (0.8, 1.6)
    yaw_degrees: Range = (12.0, 62.0)
    pitch_degrees: Range = (0.0, 14.0)
    figure_pixels: Range = (150.0, 190.0)
    side_pixels: float = 34.0
    feet_row: Range = (204.0, 228.0)
    glide_pixels: float = 5.0
    pan_pixels: float = 4.0
    shake_pixels: float = 0.6
    roll_degrees: float = 0.3
    background_pixels: float = 0.0
    ripple_pixels: float = 0.0
    max_objects: int = 0
    textured: bool = False
    gain: Range = (0.7, 1.15)
    flicker: float = 0.02
    noise: Range = (1.0, 5.0)
    blur: Range = (0.0, 0.8)


LEVEL_RANGES: dict[SampleLevel, LevelRanges] = {
    "easy": LevelRanges(),
    "hard": LevelRanges(
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
        background_pixels=30.0,
        ripple_pixels=4.0,
        max_objects=5,
        textured=True,
        gain=(0.4, 1.3),
        flicker=0.07,
        noise=(2.0, 14.0),
        blur=(0.0, 1.6),
    ),
}
FRAME_RATES = (Fraction(25), Fraction(30000, 1001), Fraction(30))


@dataclass(frozen=True, kw_only=True)
class Take:
    """Everything about one recording except actor, background and action.

    Attributes:
        ranges: Ranges of its level.
        frames: Number of frames.
        fps: Frames per second.
        style: How the actor performs any action.
        yaw: Direction of the figure, radians away from the camera.
        pitch: Direction of the camera, radians downwards.
        distance_metres: Distance of the camera; a small one gives a strong perspective.
        figure_pixels: Height of the upright figure.
        feet: (x, y) of the feet in the frame.
        glide: (x, y) speed of the figure, pixels per second.
        pan: (x, y) speed of the camera, pixels per second.
        zoom: Scale of canvas pixels in the frame.
        light: Direction that the light comes from in the image, as a unit vector.
        gain: Exposure of red, green and blue.
        seed: Seed of shake, ripples, objects and noise.
    """

    ranges: LevelRanges
    frames: int
    fps: Fraction
    style: PerformanceStyle
    yaw: float
    pitch: float
    distance_metres: float
    figure_pixels: float
    feet: tuple[float, float]
    glide: tuple[float, float]
    pan: tuple[float, float]
    zoom: float
    light: tuple[float, float]
    gain: Float64[np.ndarray, "3"]
    seed: int


def draw_take(rng: np.random.Generator, level: SampleLevel) -> Take:
    """Draw a take.

    Args:
        rng: Source of all draws.
        level: ``"easy"`` or ``"hard"``.
    """
    ranges = LEVEL_RANGES[level]
    fps = FRAME_RATES[rng.integers(len(FRAME_RATES))]
    light_angle = rng.uniform(-2.2, -0.9)
    return Take(
        ranges=ranges,
        frames=round(rng.uniform(*ranges.duration_seconds) * float(fps)),
        fps=fps,
        style=_draw_performance(rng, ranges),
        yaw=np.radians(rng.uniform(*ranges.yaw_degrees)) * rng.choice([-1, 1]),
        pitch=np.radians(rng.uniform(*ranges.pitch_degrees)),
        distance_metres=rng.uniform(3.5, 9.0),
        figure_pixels=rng.uniform(*ranges.figure_pixels),
        feet=(160 + rng.uniform(-1, 1) * ranges.side_pixels, rng.uniform(*ranges.feet_row)),
        glide=(rng.uniform(-1, 1) * ranges.glide_pixels, 0.0),
        pan=(rng.uniform(-1, 1) * ranges.pan_pixels, rng.uniform(-0.3, 0.3) * ranges.pan_pixels),
        zoom=rng.uniform(0.97, 1.1),
        light=(np.cos(light_angle), np.sin(light_angle)),
        gain=rng.uniform(*ranges.gain) * rng.uniform(0.9, 1.1, size=3),
        seed=int(rng.integers(2**31)),
    )


def _draw_performance(rng: np.random.Generator, ranges: LevelRanges) -> PerformanceStyle:
    """Draw a style; 6 of 10 have the same idle pose in both arms, and the speed is log-uniform."""
    idle = list(IDLE_ARMS.values())
    both = rng.integers(len(idle)) if rng.random() < 0.6 else None
    arms = [idle[both if both is not None else rng.integers(len(idle))] for _ in range(2)]
    stance = [[*leg, 0.0] for leg in list(STANCES.values())[rng.integers(len(STANCES))]]
    if rng.random() < 0.5:
        stance.reverse()
    low, high = np.log(ranges.cycles_per_second)
    return PerformanceStyle(
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
