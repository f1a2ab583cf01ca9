"""Ten actions of a paper puppet, none of them in the sample: joints in a plane, over time.

Lengths are in heights of the figure, x runs ahead of it and y upwards from the ground. A limb's
angle is 0 when it hangs down and a right angle when it points ahead; the spine's is 0 upright and
a right angle when the figure lies on its belly. Drawn apart from the sample's bodies on purpose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

Path = Float64[np.ndarray, " t"]
Points = dict[str, Float64[np.ndarray, "t 2"]]

TORSO, UPPER_ARM, FOREARM, THIGH, SHIN, NECK = 0.30, 0.17, 0.16, 0.20, 0.21, 0.13
FRONT = 0.1  # from the middle of the head ahead
UPPER, LOWER = 0, 1  # the two bones of a limb
# Degrees (upper arm, forearm) of an arm, and (thigh, shin) of both legs, with nothing to do.
ARMS = ((4, 10), (-38, 42), (22, 98), (-22, -34), (52, 74), (-12, 20), (18, 120))
LEGS = (((5, 2), (-5, -8)), ((12, 6), (-10, -14)), ((2, -2), (2, -2)), ((20, -12), (4, -10)))


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a performance differs from another of the same action.

    Attributes:
        cycles_per_second: Speed.
        start: Of the first frame in its cycle, 0 to 1.
        amplitude: Size of the motion, 1 is usual.
        side: The limb that hops, throws and points.
        arms: Idle arms (side, bone), radians.
        legs: Idle legs (side, bone), radians.
        sway: Slow motion of an idle body, radians, and where it starts.
    """

    cycles_per_second: float
    start: float
    amplitude: float
    side: int
    arms: Float64[np.ndarray, "2 2"]
    legs: Float64[np.ndarray, "2 2"]
    sway: tuple[float, float]


@dataclass(kw_only=True)
class Pose:
    """Angles in radians over time; ``height`` is the pelvis's above the ground, None: stands."""

    spine: Path
    arms: Float64[np.ndarray, "t 2 2"]
    legs: Float64[np.ndarray, "t 2 2"]
    lift: Path
    width: Path  # 1 seen from the side, 0 edge-on, -1 the other way round
    height: Path | None = None


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw how an action is performed, whatever the action."""
    return Manner(
        cycles_per_second=float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        start=rng.uniform(0, 1),
        amplitude=rng.uniform(0.8, 1.15),
        side=int(rng.integers(2)),
        arms=np.radians(np.array([ARMS[k] for k in rng.integers(len(ARMS), size=2)], float))
        + rng.normal(0, 0.1, size=(2, 2)),
        legs=np.radians(np.array(LEGS[rng.integers(len(LEGS))], float)),
        sway=(rng.uniform(0.02, 0.06), rng.uniform(0, 6)),
    )


def perform(action: str, manner: Manner, seconds: Path) -> Points:
    """Return where the joints are, before the figure is put into a picture."""
    pose = _idle(manner, seconds)
    MOTIONS[action](pose, manner, manner.start + manner.cycles_per_second * seconds)
    return _joints(pose)


def _idle(manner: Manner, seconds: Path) -> Pose:
    size, start = manner.sway
    slow = size * np.sin(1.3 * seconds + start)
    arms = np.repeat(manner.arms[None], len(seconds), axis=0) + slow[:, None, None]
    return Pose(
        spine=0.04 + 0.5 * slow,
        arms=arms,
        legs=np.repeat(manner.legs[None], len(seconds), axis=0),
        lift=np.zeros(len(seconds)),
        width=np.ones(len(seconds)),
    )


def _joints(pose: Pose) -> Points:
    up = np.stack([np.sin(pose.spine), np.cos(pose.spine)], axis=1)
    points = {"pelvis": np.zeros_like(up), "neck": TORSO * up}
    look = 0.6 * pose.spine  # a figure that lies lifts its head
    points["head"] = points["neck"] + NECK * np.stack([np.sin(look), np.cos(look)], axis=1)
    shoulder = 0.9 * points["neck"]
    for side in (0, 1):
        elbow = shoulder + UPPER_ARM * _down(pose.arms[:, side, UPPER])
        points[f"elbow{side}"] = elbow
        points[f"hand{side}"] = elbow + FOREARM * _down(pose.arms[:, side, LOWER])
        knee = THIGH * _down(pose.legs[:, side, UPPER])
        points[f"knee{side}"] = knee
        points[f"foot{side}"] = knee + SHIN * _down(pose.legs[:, side, LOWER])
    points["shoulder"] = shoulder
    lowest = np.min([point[:, 1] for point in points.values()], axis=0)
    points["front"] = points["head"] + FRONT * np.stack([np.cos(look), -np.sin(look)], axis=1)
    height = pose.lift - lowest if pose.height is None else pose.height
    for point in points.values():
        point[:, 1] += height
        point[:, 0] *= pose.width
    return points


def _down(angle: Path) -> Float64[np.ndarray, "t 2"]:
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _keyed(cycles: Path, keys: Sequence[tuple[float, float]]) -> Path:
    """Return a smooth curve through (share of the cycle, degrees), turning on by a whole turn or
    returning: the last key is at 1."""
    at, value = np.array(keys).T
    share = cycles % 1.0
    after = np.clip(np.searchsorted(at, share, side="right"), 1, len(at) - 1)
    way = (share - at[after - 1]) / (at[after] - at[after - 1])
    eased = way * way * (3 - 2 * way)
    return np.asarray(np.radians(value[after - 1] + eased * (value[after] - value[after - 1])))


def _wave(cycles: Path, shift: float = 0.0) -> Path:
    return np.asarray(np.sin(2 * np.pi * (cycles + shift)))


def _bend(leg: Float64[np.ndarray, "t 2"], size: Path) -> None:
    leg[:, UPPER] += size
    leg[:, LOWER] -= size


def _turn(pose: Pose, manner: Manner, cycles: Path) -> None:
    turned = _keyed(0.7 * cycles, [(0, 0), (0.3, 180), (0.5, 180), (0.8, 360), (1, 360)])
    pose.width = np.cos(turned)
    for side, way in ((0, 1.0), (1, -1.0)):  # seen from the front, arms and legs apart
        pose.arms[:, side] = way * (np.abs(pose.arms[:, side]) + 0.25)
        pose.legs[:, side] = way * 0.14 * manner.amplitude
    pose.spine *= 0.3


def _crawl(pose: Pose, manner: Manner, cycles: Path) -> None:
    size = np.radians(28) * manner.amplitude
    pose.spine[:] = np.radians(80) + 0.04 * _wave(2 * cycles)
    for side in (0, 1):
        beat = size * _wave(cycles, 0.5 * side)
        pose.arms[:, side] = np.stack([beat - 0.1, beat + 0.15], axis=1)
        pose.legs[:, side] = np.stack([-beat, np.full(len(beat), np.radians(-84))], axis=1)


def _hop(pose: Pose, manner: Manner, cycles: Path) -> None:
    up = np.abs(_wave(cycles))
    pose.lift += 0.15 * manner.amplitude * up
    pose.legs[:, manner.side] = np.radians([38, -62])
    _bend(pose.legs[:, 1 - manner.side], 0.35 * (1 - up))


def _push_up(pose: Pose, manner: Manner, cycles: Path) -> None:
    down = (0.5 + 0.5 * _wave(cycles)) * min(manner.amplitude, 1.0)
    tilt = np.radians(25 - 17 * down)
    pose.spine[:] = np.pi / 2 - tilt
    pose.legs[:] = -pose.spine[:, None, None]
    reach = (0.9 * TORSO + THIGH + SHIN) * np.sin(tilt)
    fold = np.arccos(np.clip(reach / (UPPER_ARM + FOREARM), 0, 1))
    pose.arms[:] = np.stack([-fold, fold], axis=1)[:, None]


def _throw(pose: Pose, manner: Manner, cycles: Path) -> None:
    arm = pose.arms[:, manner.side]
    keys = [(0, -20), (0.4, -115), (0.5, -125), (0.62, -285), (0.75, -325), (1, -380)]
    arm[:, UPPER] = _keyed(cycles, keys)
    arm[:, LOWER] = arm[:, UPPER] + _keyed(
        cycles, [(0, 15), (0.4, -70), (0.5, -75), (0.62, 5), (1, 15)]
    )
    lean = [(0, 2), (0.45, -13), (0.64, 22), (1, 2)]
    pose.spine += manner.amplitude * _keyed(cycles, lean)
    _bend(pose.legs[:, 1 - manner.side], _keyed(cycles, [(0, 0), (0.45, 26), (0.64, 8), (1, 0)]))


def _climb(pose: Pose, manner: Manner, cycles: Path) -> None:
    size = manner.amplitude
    for side in (0, 1):
        beat = _wave(cycles, 0.5 * side)
        upper = np.radians(128) + size * np.radians(34) * beat
        pose.arms[:, side] = np.stack([upper, np.radians(172) + 0.1 * beat], axis=1)
        thigh = np.radians(52) - size * np.radians(34) * beat
        pose.legs[:, side] = np.stack([thigh, thigh - np.radians(78) + 0.5 * beat], axis=1)
    pose.spine[:] = 0.06 + 0.05 * _wave(cycles)
    pose.height = 0.44 + 0.03 * size * _wave(2 * cycles)


def _skip_rope(pose: Pose, manner: Manner, cycles: Path) -> None:
    up = np.maximum(0, _wave(1.5 * cycles))
    pose.lift += 0.09 * manner.amplitude * up
    for side in (0, 1):
        pose.arms[:, side, UPPER] = -0.15 + 0.14 * _wave(1.5 * cycles, 0.25)
        pose.arms[:, side, LOWER] = 1.0 + 0.5 * manner.amplitude * _wave(1.5 * cycles)
        _bend(pose.legs[:, side], 0.2 * (1 - up))


def _swim(pose: Pose, manner: Manner, cycles: Path) -> None:
    pose.spine[:] = np.radians(86) + 0.04 * _wave(cycles)
    for side in (0, 1):
        round_ = -2 * np.pi * (cycles + 0.5 * side)
        pose.arms[:, side] = np.stack([round_, round_ + 0.35 * _wave(cycles)], axis=1)
        kick = np.radians(13) * manner.amplitude * _wave(2.5 * cycles, 0.5 * side)
        pose.legs[:, side] = np.stack([kick - np.pi / 2, 1.4 * kick - np.pi / 2], axis=1)
    pose.height = 0.42 + 0.02 * _wave(cycles, 0.3)


def _stir(pose: Pose, manner: Manner, cycles: Path) -> None:
    size = manner.amplitude
    for side in (0, 1):
        pose.arms[:, side, UPPER] = np.radians(20) + size * np.radians(16) * _wave(1.4 * cycles)
        pose.arms[:, side, LOWER] = np.radians(86) + size * np.radians(17) * _wave(
            1.4 * cycles, 0.25
        )
    pose.spine += 0.1


def _point(pose: Pose, manner: Manner, cycles: Path) -> None:
    keys = [(0, 5), (0.16, 96 * manner.amplitude), (0.6, 92 * manner.amplitude), (0.8, 5), (1, 5)]
    arm = pose.arms[:, manner.side]
    arm[:, UPPER] = arm[:, LOWER] = _keyed(0.6 * cycles, keys)


MOTIONS: dict[str, Callable[[Pose, Manner, Path], None]] = {
    "turn": _turn,
    "crawl": _crawl,
    "hop": _hop,
    "push_up": _push_up,
    "throw": _throw,
    "climb": _climb,
    "skip_rope": _skip_rope,
    "swim": _swim,
    "stir": _stir,
    "point": _point,
}
