"""The motions before the fixed camera: five changes of state, each forwards or backwards in time.

A take is a person at rest, the change somewhere inside it, and the person at rest again. A reversed
motion is the whole take of its partner played backwards, so that nothing but the order in time
tells the two apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from slic.sample.actions import PerformanceStyle
from slic.sample.body import (
    ABDUCTION,
    ELBOW,
    FLEXION,
    HIP,
    KNEE,
    ROTATION,
    Angles,
    Build,
    Points,
    Pose,
    joint_positions,
)

SITTING = 1.5  # angle of hips and knees, radians
BOX = 0.13  # half the side of the box, metres


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a person performs any motion; it is drawn before the motion is known.

    Attributes:
        style: Rest pose, slow idle motion, side and size.
        total: Duration of the take, seconds.
        start: When the change begins in the forward motion, seconds.
        duration: Duration of the change, seconds.
        sway: Amplitude of the shift of weight, metres.
        turn: Angle of the turn to or away, radians, to either side.
        stride: Length of the way forward or back, metres.
        box: (x, z) place of the box that nobody moves, metres from the feet.
    """

    style: PerformanceStyle
    total: float
    start: float
    duration: float
    sway: float
    turn: float
    stride: float
    box: tuple[float, float]


def perform(label: str, manner: Manner, build: Build, seconds: Angles) -> dict[str, Points]:
    """Return the named points of the body, the box and the stool at each time, metres.

    A reversed motion is its partner at the times ``manner.total - seconds``.
    """
    name, backwards = LABELS[label]
    at = manner.total - seconds if backwards else seconds
    share = np.clip((at - manner.start) / manner.duration, 0, 1)
    share = share * share * (3 - 2 * share)
    pose = rest_pose(manner.style, at, planted=name in _PLANTED)
    _CHANGES[name](pose, manner, share)
    points = joint_positions(pose, build)
    points |= _box(points, manner, share if name == "put down" else None)
    points |= _stool(build, len(at))
    sway = manner.sway * np.sin(1.3 * at + manner.style.fidget_phases[0])
    for point_name, point in points.items():
        if not point_name.startswith(("box", "seat", "stool")):
            point[:, 0] += sway * np.clip(point[:, 1], 0, 1)  # the feet stay
    return points


def rest_pose(style: PerformanceStyle, seconds: Angles, *, planted: bool) -> Pose:
    """Return the rest pose of the style with slow idle motion."""
    zero = np.zeros(len(seconds))
    starts = enumerate(style.fidget_phases)
    slow = [style.fidget * np.sin((0.8 + 0.3 * k) * seconds + start) for k, start in starts]
    arms = np.repeat(style.arms[None], len(seconds), axis=0)
    arms[:, 0, FLEXION] += slow[0]
    arms[:, 1, FLEXION] += slow[1]
    arms[:, :, ELBOW] += slow[2][:, None] + style.fidget
    return Pose(
        lift=zero.copy(),
        back=zero.copy(),
        turn=slow[3],
        lean=0.03 + 0.4 * slow[4],
        bend=0.03 + 0.4 * slow[5],
        twist=slow[6],
        nod=slow[7],
        head_turn=4 * slow[5],
        arms=arms,
        legs=np.repeat(style.legs[None], len(seconds), axis=0),
        planted=planted,
    )


def _sit_down(pose: Pose, _: Manner, share: Angles) -> None:
    low = SITTING * share[:, None]
    pose.legs[:, :, HIP] += (low - pose.legs[:, :, HIP]) * share[:, None]
    pose.legs[:, :, KNEE] += (low - pose.legs[:, :, KNEE]) * share[:, None]
    pose.lean[:] += 0.75 * np.sin(np.pi * share)
    pose.nod[:] += -0.3 * np.sin(np.pi * share)


def _put_down(pose: Pose, _: Manner, share: Angles) -> None:
    down, held = np.sin(np.pi * share), np.clip(2 - 2 * share, 0, 1)[:, None]
    pose.legs[:, :, HIP] += 1.35 * down[:, None]
    pose.legs[:, :, KNEE] += 1.75 * down[:, None]
    pose.lean[:] += 0.85 * down
    pose.bend[:] += 0.45 * down
    carrying = np.zeros((1, 4))
    carrying[0, [FLEXION, ABDUCTION, ROTATION, ELBOW]] = 0.35, 0.1, -0.25, 1.0
    reach = np.zeros((1, 4))
    reach[0, [FLEXION, ABDUCTION, ROTATION, ELBOW]] = 1.1, 0.1, -0.25, 0.15
    for side in (0, 1):
        rest = pose.arms[:, side] + held * (carrying - pose.arms[:, side])
        pose.arms[:, side] = rest + down[:, None] * (reach - rest)


def _reach_up(pose: Pose, manner: Manner, share: Angles) -> None:
    up = np.zeros((1, 4))
    up[0, [FLEXION, ABDUCTION, ELBOW]] = 2.6 * manner.style.amplitude, 0.15, 0.2
    arm = pose.arms[:, manner.style.side]
    arm += share[:, None] * (up - arm)
    pose.nod[:] += -0.25 * share
    pose.bend[:] += -0.08 * share


def _step_forward(pose: Pose, manner: Manner, share: Angles) -> None:
    pose.back[:] += manner.stride * (0.5 - share)  # the drawn place is half-way
    moving = np.sin(np.pi * share) ** 0.5
    for side in (0, 1):
        beat = 3 * np.pi * share + np.pi * side
        pose.legs[:, side, HIP] += 0.4 * moving * np.sin(beat)
        pose.legs[:, side, KNEE] += 0.7 * moving * np.maximum(0, np.cos(beat + 0.35))
        pose.arms[:, side, FLEXION] += -0.25 * moving * np.sin(beat)


def _turn_away(pose: Pose, manner: Manner, share: Angles) -> None:
    pose.turn[:] += manner.turn * share
    pose.head_turn[:] += 0.5 * np.sign(manner.turn) * np.sin(np.pi * share)
    for side in (0, 1):
        lifted = np.maximum(0, np.sin(4 * np.pi * share + np.pi * side))
        pose.legs[:, side, HIP] += 0.3 * lifted
        pose.legs[:, side, KNEE] += 0.6 * lifted


_CHANGES: dict[str, Callable[[Pose, Manner, Angles], None]] = {
    "sit down": _sit_down,
    "put down": _put_down,
    "reach up": _reach_up,
    "step forward": _step_forward,
    "turn away": _turn_away,
}
_PLANTED = frozenset({"sit down", "put down"})
PAIRS = (
    ("sit down", "stand up"),
    ("put down", "pick up"),
    ("reach up", "lower arm"),
    ("step forward", "step back"),
    ("turn away", "turn to"),
)
# The change behind each label, and whether it is played backwards.
LABELS = {label: (pair[0], label == pair[1]) for pair in PAIRS for label in pair}


def _box(points: dict[str, Points], manner: Manner, share: Angles | None) -> dict[str, Points]:
    """Return the corners of the box: carried until half-way, or on the floor all the time."""
    count = len(points["hand0"])
    centre = np.tile([manner.box[0], BOX, manner.box[1]], (count, 1))
    if share is not None:
        centre = (points["hand0"] + points["hand1"]) / 2
        lowest = centre[np.abs(share - 0.5).argmin()]
        centre = centre + np.sin(np.pi * share)[:, None] * [0, BOX - lowest[1], 0]
        left = centre[np.abs(share - 0.5).argmin()].copy()
        centre = np.where(share[:, None] < 0.5, centre, left)
    return {
        f"box{i}": centre + corner
        for i, corner in enumerate(np.array(list(product((-BOX, BOX), repeat=3))))
    }


def _stool(build: Build, count: int) -> dict[str, Points]:
    """Return the seat and the feet of a stool that stands behind the feet of the person."""
    bone = (build.hip_height - 0.04) / 2 * build.height_metres
    height, half = bone + (0.04 - 0.075) * build.height_metres, 0.17
    corners = [(x, z - 1.02 * bone) for x in (-half, half) for z in (-half, half)]
    at: dict[str, list[float]] = {}
    for i, (x, z) in enumerate(corners):
        at |= {f"seat{i}": [x, height, z], f"stool{i}": [x, 0.0, z]}
    return {name: np.tile(place, (count, 1)) for name, place in at.items()}
