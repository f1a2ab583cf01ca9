"""The ten actions: joint angles as functions of the phase of a cycle.

An action moves only the joints that define it. All others keep the idle pose of the style, so that
a single frame reveals little about the action.
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

_RADIANS_PER_CYCLE = 2 * np.pi

# Idle poses of an arm in degrees: flexion, abduction, rotation, elbow.
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
# Idle poses of the left and the right leg in degrees: hip, spread, knee.
STANCES = {
    "upright": ((0, 4, 3), (0, 4, 3)),
    "wide": ((2, 15, 6), (2, 15, 6)),
    "stride": ((17, 4, 8), (-14, 4, 10)),
    "low": ((22, 9, 40), (22, 9, 40)),
    "one leg": ((2, 5, 2), (14, 9, 26)),
}


@dataclass(frozen=True, kw_only=True)
class PerformanceStyle:
    """How an actor performs any action; it is drawn before the action is known.

    Attributes:
        cycles_per_second: Speed of the action.
        start: Phase of the first frame, in cycles.
        swing: Unevenness of the cycle, -0.15 to 0.15.
        amplitude: Size of the motion, 1 is average.
        side: Side that waves and kicks, 0 or 1.
        carried: Whether arms that the action does not need stay idle instead of swinging.
        arms: Idle arms (side, channel), radians.
        legs: Idle legs (side, channel), radians.
        fidget: Amplitude of slow idle motion, radians.
        fidget_phases: Phase of each idle motion at the first frame, radians.
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


def perform(action: str, style: PerformanceStyle, seconds: Angles) -> Pose:
    """Return the joint angles of an action.

    Args:
        action: One of ``ACTIONS``.
        style: Manner of the performance.
        seconds: Times.
    """
    cycles = style.start + style.cycles_per_second * seconds
    phase = _RADIANS_PER_CYCLE * cycles + style.swing * np.sin(_RADIANS_PER_CYCLE * cycles)
    pose = _idle_pose(style, seconds, planted=action in _PLANTED_ACTIONS)
    _ANIMATIONS[action](pose, style, phase)
    return pose


def _idle_pose(style: PerformanceStyle, seconds: Angles, *, planted: bool) -> Pose:
    """Return the pose of the style with slow idle motion."""
    starts = enumerate(style.fidget_phases)
    slow = [style.fidget * np.sin((0.9 + 0.35 * k) * seconds + start) for k, start in starts]
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
        head_turn=1.5 * slow[5],
        arms=arms,
        legs=np.repeat(style.legs[None], len(seconds), axis=0),
        planted=planted,
    )


def _key_frame_curve(phase: Angles, keys: Sequence[tuple[float, float]]) -> Angles:
    """Return a smooth periodic curve through keys (share of the cycle, value)."""
    at, value = np.array([*keys, (keys[0][0] + 1.0, keys[0][1])]).T
    share = (phase / _RADIANS_PER_CYCLE - at[0]) % 1.0 + at[0]
    after = np.clip(np.searchsorted(at, share, side="right"), 1, len(at) - 1)
    way = (share - at[after - 1]) / (at[after] - at[after - 1])
    eased = way * way * (3 - 2 * way)
    return np.asarray(value[after - 1] + eased * (value[after] - value[after - 1]))


def _swing_arms(
    pose: Pose, style: PerformanceStyle, phase: Angles, *, size: float, elbow: float
) -> None:
    """Swing the arms opposite to the legs, around their idle pose if they are carried."""
    for side in (0, 1):
        beat = -np.sin(phase + np.pi * side)
        if style.carried:
            pose.arms[:, side, FLEXION] += 0.25 * size * beat
            continue
        pose.arms[:, side, FLEXION] = size * beat
        pose.arms[:, side, ABDUCTION] = 0.14
        pose.arms[:, side, ROTATION] = -0.2
        pose.arms[:, side, ELBOW] = elbow + 0.3 * size * beat


def _animate_walk(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
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


def _animate_run(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
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


def _animate_jump(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    size = style.amplitude
    crouch = [(0.0, 0.15), (0.25, 1.0), (0.44, 0.0), (0.8, 0.1), (0.9, 0.55)]
    low = _key_frame_curve(phase, crouch) * size
    pose.legs[:, :, HIP] = 0.05 + 1.15 * low[:, None]
    pose.legs[:, :, KNEE] = 0.08 + 1.75 * low[:, None]
    pose.legs[:, :, SPREAD] = 0.09
    flight = np.clip((phase / _RADIANS_PER_CYCLE % 1.0 - 0.44) / 0.38, 0, 1)
    pose.lift[:] += 0.4 * size * 4 * flight * (1 - flight)
    pose.legs[:, :, FOOT] = (0.5 * np.sin(np.pi * flight))[:, None]
    pose.lean[:] += 0.65 * low
    pose.back[:] += 0.1 * low
    swing = _key_frame_curve(phase, [(0.0, 0.0), (0.2, -0.7), (0.53, 2.5), (0.82, 1.1)]) * size
    if style.carried:
        pose.arms[:, :, FLEXION] += 0.2 * swing[:, None]
    else:
        pose.arms[:, :, FLEXION] = swing[:, None]
        pose.arms[:, :, ELBOW] = 0.3


def _animate_jumping_jack(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
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


def _animate_wave(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    arm = pose.arms[:, style.side]
    arm[:, FLEXION] = 0.15
    arm[:, ABDUCTION] = 1.45 + 0.16 * style.amplitude * np.sin(phase - 0.4)
    arm[:, ROTATION] = 1.5
    arm[:, ELBOW] = 1.15 + 0.75 * style.amplitude * np.sin(phase)


def _animate_clap(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    apart = _key_frame_curve(phase, [(0.0, 0.0), (0.5, 1.0)])[:, None] * style.amplitude
    pose.arms[:, :, FLEXION] = 0.95
    pose.arms[:, :, ABDUCTION] = 0.14 + 0.5 * apart
    pose.arms[:, :, ROTATION] = -0.88 + 0.6 * apart
    pose.arms[:, :, ELBOW] = 0.95 - 0.25 * apart


def _animate_box(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    for side in (0, 1):
        out = _key_frame_curve(phase + np.pi * side, [(0.0, 0.0), (0.22, 1.0), (0.5, 0.0)])
        pose.arms[:, side, FLEXION] = 0.55 + 1.0 * out
        pose.arms[:, side, ABDUCTION] = 0.3 - 0.36 * out
        pose.arms[:, side, ROTATION] = -0.35 + 0.2 * out
        pose.arms[:, side, ELBOW] = 2.2 - 2.05 * np.clip(out * style.amplitude, 0, 1)
        pose.twist[:] += (-0.42 if side == 0 else 0.42) * out * style.amplitude
    pose.lean[:] += 0.08


def _animate_kick(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    size = style.amplitude
    leg, support = pose.legs[:, style.side], pose.legs[:, 1 - style.side]
    high = _key_frame_curve(phase, [(0.0, -0.35), (0.3, 1.0), (0.48, 1.5), (0.66, 1.05)]) * size
    knee = _key_frame_curve(phase, [(0.0, 0.35), (0.27, 1.6), (0.48, 0.12), (0.66, 1.4)])
    leg[:, HIP], leg[:, KNEE], leg[:, SPREAD], leg[:, FOOT] = high, knee, 0.06, 0.75
    support[:, HIP], support[:, KNEE], support[:, SPREAD] = 0.06, 0.16, 0.05
    pose.lean[:] += -0.22 * np.maximum(0, high)
    if not style.carried:
        pose.arms[:, style.side, FLEXION] += -0.5 * high
        pose.arms[:, 1 - style.side, FLEXION] += 0.5 * high


def _animate_squat(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    low = (0.5 - 0.5 * np.cos(phase)) * style.amplitude
    pose.legs[:, :, HIP] = 1.75 * low[:, None]
    pose.legs[:, :, KNEE] = 0.05 + 2.1 * low[:, None]
    pose.legs[:, :, SPREAD] = 0.14
    pose.lean[:] += 0.6 * low
    pose.nod[:] += -0.3 * low
    if not style.carried:
        pose.arms[:, :, FLEXION] += 0.9 * low[:, None]


def _animate_bow(pose: Pose, style: PerformanceStyle, phase: Angles) -> None:
    down = _key_frame_curve(phase, [(0.0, 0.0), (0.45, 1.0), (0.6, 1.0)]) * style.amplitude
    pose.lean[:] += 0.95 * down
    pose.bend[:] += 0.5 * down
    pose.nod[:] += 0.25 * down
    pose.back[:] += 0.12 * down
    pose.legs[:, :, HIP] += -0.08 * down[:, None]
    if not style.carried:
        pose.arms[:, :, FLEXION] += 0.5 * down[:, None]


_ANIMATIONS: dict[str, Callable[[Pose, PerformanceStyle, Angles], None]] = {
    "walk": _animate_walk,
    "run": _animate_run,
    "jump": _animate_jump,
    "jumping_jack": _animate_jumping_jack,
    "wave": _animate_wave,
    "clap": _animate_clap,
    "box": _animate_box,
    "kick": _animate_kick,
    "squat": _animate_squat,
    "bow": _animate_bow,
}
_PLANTED_ACTIONS = frozenset({"squat", "jump"})

ACTIONS: tuple[str, ...] = tuple(_ANIMATIONS)
