"""The ten actions: joint angles as functions of the phase of a cycle.

An action moves only the joints that define it; all the others keep the idle pose of the style, so
a single frame says little about the action.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from slic.sample.body import (
    ABDUCTION,
    ELBOW,
    FLEXION,
    FOOT,
    HIP,
    KNEE,
    ROTATION,
    SPREAD,
    Angles,
    Pose,
)

TURN = 2 * np.pi

# Degrees (flexion, abduction, rotation, elbow): what an arm does when it has nothing to do.
IDLE_ARMS = {
    "hanging": (0, 8, 0, 12),
    "on hip": (-12, 44, -85, 85),
    "folded": (30, 12, -70, 100),
    "guard": (40, 14, -15, 122),
    "ahead": (62, 4, 0, 22),
    "behind": (-30, 12, -45, 45),
    "bent": (2, 10, -10, 85),
    "aside": (5, 52, 0, 18),
    "raised": (100, 25, 0, 50),
}
# Degrees (hip, spread, knee) of the left and the right leg.
STANCES = {
    "upright": ((0, 4, 3), (0, 4, 3)),
    "wide": ((2, 15, 6), (2, 15, 6)),
    "stride": ((17, 4, 8), (-14, 4, 10)),
    "low": ((22, 9, 40), (22, 9, 40)),
    "one leg": ((2, 5, 2), (14, 9, 26)),
}


@dataclass(frozen=True, kw_only=True)
class Style:
    """How this take performs, whatever the action: drawn before the action is known.

    Attributes:
        cycles_per_second: Speed.
        start: Phase of the first frame, cycles.
        swing: Unevenness of the cycle, -0.15 to 0.15.
        amplitude: Size of the motion, 1 is usual.
        side: The side that waves and kicks.
        carried: Arms that are not needed stay idle instead of swinging along.
        arms: Idle arms (side, channel), radians.
        legs: Idle legs (side, channel), radians.
        fidget: Amplitude of slow idle motion, radians.
        fidget_phases: Where each idle motion starts, radians.
    """

    cycles_per_second: float
    start: float
    swing: float
    amplitude: float
    side: int
    carried: bool
    arms: Float64[np.ndarray, "2 4"]
    legs: Float64[np.ndarray, "2 4"]
    fidget: float
    fidget_phases: Float64[np.ndarray, " 8"]


def perform(action: str, style: Style, seconds: Angles) -> Pose:
    """Return the joint angles of one of ``ACTIONS`` at the given times."""
    cycles = style.start + style.cycles_per_second * seconds
    phase = TURN * cycles + style.swing * np.sin(TURN * cycles)
    pose = _idle(style, seconds)
    _MOTIONS[action](pose, style, phase)
    if action in _PLANTED:
        return Pose(**{**pose.__dict__, "planted": True})
    return pose


def _idle(style: Style, seconds: Angles) -> Pose:
    """Stand, breathe, look about."""
    slow = [
        style.fidget * np.sin((0.9 + 0.35 * k) * seconds + start)
        for k, start in enumerate(style.fidget_phases)
    ]
    zero = np.zeros(len(seconds))
    arms = np.repeat(style.arms[None], len(seconds), axis=0)
    arms[:, 0, FLEXION] += slow[0]
    arms[:, 1, FLEXION] += slow[1]
    arms[:, :, ELBOW] += slow[2][:, None] + style.fidget
    return Pose(
        lift=zero.copy(),
        back=zero.copy(),
        turn=0.5 * slow[3],
        lean=0.03 + 0.3 * slow[4],
        bend=0.02 + 0.2 * slow[5],
        twist=0.5 * slow[6],
        nod=0.5 * slow[7],
        look=1.5 * slow[5],
        arms=arms,
        legs=np.repeat(style.legs[None], len(seconds), axis=0),
        planted=False,
    )


def _keyed(phase: Angles, keys: Sequence[tuple[float, float]]) -> Angles:
    """Return a smooth periodic curve through (share of the cycle, value) keys."""
    at, value = np.array([*keys, (keys[0][0] + 1.0, keys[0][1])]).T
    share = (phase / TURN - at[0]) % 1.0 + at[0]
    after = np.clip(np.searchsorted(at, share, side="right"), 1, len(at) - 1)
    way = (share - at[after - 1]) / (at[after] - at[after - 1])
    eased = way * way * (3 - 2 * way)
    return np.asarray(value[after - 1] + eased * (value[after] - value[after - 1]))


def _swing_arms(pose: Pose, style: Style, phase: Angles, *, size: float, elbow: float) -> None:
    """Swing the arms against the legs, about the place where the style carries them."""
    for side in (0, 1):
        beat = -np.sin(phase + np.pi * side)
        if style.carried:
            pose.arms[:, side, FLEXION] += 0.25 * size * beat
            continue
        pose.arms[:, side, FLEXION] = size * beat
        pose.arms[:, side, ABDUCTION] = 0.14
        pose.arms[:, side, ROTATION] = -0.2
        pose.arms[:, side, ELBOW] = elbow + 0.3 * size * beat


def _walk(pose: Pose, style: Style, phase: Angles) -> None:
    for side in (0, 1):
        beat = phase + np.pi * side
        pose.legs[:, side, HIP] = 0.08 + 0.46 * style.amplitude * np.sin(beat)
        lifted = np.maximum(0, np.cos(beat + 0.35)) ** 1.5
        pose.legs[:, side, KNEE] = 0.1 + 0.85 * style.amplitude * lifted
        pose.legs[:, side, SPREAD] = 0.03
        pose.legs[:, side, FOOT] = 0.65
    _swing_arms(pose, style, phase, size=0.42 * style.amplitude, elbow=0.3)
    pose.turn[:] += -0.09 * np.sin(phase)
    pose.twist[:] += 0.18 * np.sin(phase)


def _run(pose: Pose, style: Style, phase: Angles) -> None:
    for side in (0, 1):
        beat = phase + np.pi * side
        pose.legs[:, side, HIP] = 0.3 + 0.72 * style.amplitude * np.sin(beat)
        lifted = np.maximum(0, np.cos(beat - 0.1)) ** 1.2
        pose.legs[:, side, KNEE] = 0.3 + 1.75 * style.amplitude * lifted
        pose.legs[:, side, SPREAD] = 0.02
        pose.legs[:, side, FOOT] = 0.8
    _swing_arms(pose, style, phase, size=0.8 * style.amplitude, elbow=1.55)
    pose.lift[:] += 0.1 * style.amplitude * np.maximum(0, -np.cos(2 * phase + 0.4))
    pose.lean[:] += 0.18
    pose.turn[:] += -0.12 * np.sin(phase)
    pose.twist[:] += 0.28 * np.sin(phase)


def _jump(pose: Pose, style: Style, phase: Angles) -> None:
    size = style.amplitude
    low = _keyed(phase, [(0.0, 0.15), (0.25, 1.0), (0.44, 0.0), (0.8, 0.1), (0.9, 0.55)]) * size
    pose.legs[:, :, HIP] = 0.05 + 1.15 * low[:, None]
    pose.legs[:, :, KNEE] = 0.08 + 1.75 * low[:, None]
    pose.legs[:, :, SPREAD] = 0.09
    flight = np.clip((phase / TURN % 1.0 - 0.44) / 0.38, 0, 1)
    pose.lift[:] += 0.4 * size * 4 * flight * (1 - flight)
    pose.legs[:, :, FOOT] = (0.5 * np.sin(np.pi * flight))[:, None]
    pose.lean[:] += 0.65 * low
    pose.back[:] += 0.1 * low
    swing = _keyed(phase, [(0.0, 0.0), (0.2, -0.7), (0.53, 2.5), (0.82, 1.1)]) * size
    if style.carried:
        pose.arms[:, :, FLEXION] += 0.2 * swing[:, None]
    else:
        pose.arms[:, :, FLEXION] = swing[:, None]
        pose.arms[:, :, ELBOW] = 0.3


def _jumping_jack(pose: Pose, style: Style, phase: Angles) -> None:
    wide = (0.5 - 0.5 * np.cos(phase))[:, None] * style.amplitude
    pose.legs[:, :, SPREAD] = 0.05 + 0.5 * wide
    hop = np.maximum(0, np.sin(2 * phase - 0.6))
    pose.legs[:, :, HIP] = 0.12 * (1 - hop)[:, None]
    pose.legs[:, :, KNEE] = 0.24 * (1 - hop)[:, None]
    pose.lift[:] += 0.12 * style.amplitude * hop
    pose.arms[:, :, ABDUCTION] = 0.15 + 2.6 * wide
    pose.arms[:, :, FLEXION] = 0.05
    pose.arms[:, :, ROTATION] = 1.2 * wide
    pose.arms[:, :, ELBOW] = 0.2 + 0.25 * wide


def _wave(pose: Pose, style: Style, phase: Angles) -> None:
    arm = pose.arms[:, style.side]
    arm[:, FLEXION] = 0.15
    arm[:, ABDUCTION] = 1.45 + 0.16 * style.amplitude * np.sin(phase - 0.4)
    arm[:, ROTATION] = 1.5
    arm[:, ELBOW] = 1.15 + 0.75 * style.amplitude * np.sin(phase)


def _clap(pose: Pose, style: Style, phase: Angles) -> None:
    apart = _keyed(phase, [(0.0, 0.0), (0.5, 1.0)])[:, None] * style.amplitude
    pose.arms[:, :, FLEXION] = 0.95
    pose.arms[:, :, ABDUCTION] = 0.14 + 0.5 * apart
    pose.arms[:, :, ROTATION] = -0.88 + 0.6 * apart
    pose.arms[:, :, ELBOW] = 0.95 - 0.25 * apart


def _box(pose: Pose, style: Style, phase: Angles) -> None:
    for side in (0, 1):
        out = _keyed(phase + np.pi * side, [(0.0, 0.0), (0.22, 1.0), (0.5, 0.0)])
        pose.arms[:, side, FLEXION] = 0.55 + 1.0 * out
        pose.arms[:, side, ABDUCTION] = 0.3 - 0.36 * out
        pose.arms[:, side, ROTATION] = -0.35 + 0.2 * out
        pose.arms[:, side, ELBOW] = 2.2 - 2.05 * np.clip(out * style.amplitude, 0, 1)
        pose.twist[:] += (-0.42 if side == 0 else 0.42) * out * style.amplitude
    pose.lean[:] += 0.08


def _kick(pose: Pose, style: Style, phase: Angles) -> None:
    size = style.amplitude
    leg, support = pose.legs[:, style.side], pose.legs[:, 1 - style.side]
    high = _keyed(phase, [(0.0, -0.35), (0.3, 1.0), (0.48, 1.5), (0.66, 1.05)]) * size
    knee = _keyed(phase, [(0.0, 0.35), (0.27, 1.6), (0.48, 0.12), (0.66, 1.4)])
    leg[:, HIP], leg[:, KNEE], leg[:, SPREAD], leg[:, FOOT] = high, knee, 0.06, 0.75
    support[:, HIP], support[:, KNEE], support[:, SPREAD] = 0.06, 0.16, 0.05
    pose.lean[:] += -0.22 * np.maximum(0, high)
    if not style.carried:
        pose.arms[:, style.side, FLEXION] += -0.5 * high
        pose.arms[:, 1 - style.side, FLEXION] += 0.5 * high


def _squat(pose: Pose, style: Style, phase: Angles) -> None:
    low = (0.5 - 0.5 * np.cos(phase)) * style.amplitude
    pose.legs[:, :, HIP] = 1.75 * low[:, None]
    pose.legs[:, :, KNEE] = 0.05 + 2.1 * low[:, None]
    pose.legs[:, :, SPREAD] = 0.14
    pose.lean[:] += 0.6 * low
    pose.nod[:] += -0.3 * low
    if not style.carried:
        pose.arms[:, :, FLEXION] += 0.9 * low[:, None]


def _bow(pose: Pose, style: Style, phase: Angles) -> None:
    down = _keyed(phase, [(0.0, 0.0), (0.45, 1.0), (0.6, 1.0)]) * style.amplitude
    pose.lean[:] += 0.95 * down
    pose.bend[:] += 0.5 * down
    pose.nod[:] += 0.25 * down
    pose.back[:] += 0.12 * down
    pose.legs[:, :, HIP] += -0.08 * down[:, None]
    if not style.carried:
        pose.arms[:, :, FLEXION] += 0.5 * down[:, None]


_MOTIONS: dict[str, Callable[[Pose, Style, Angles], None]] = {
    "walk": _walk,
    "run": _run,
    "jump": _jump,
    "jumping_jack": _jumping_jack,
    "wave": _wave,
    "clap": _clap,
    "box": _box,
    "kick": _kick,
    "squat": _squat,
    "bow": _bow,
}
_PLANTED = frozenset({"squat", "jump"})

ACTIONS: tuple[str, ...] = tuple(_MOTIONS)
