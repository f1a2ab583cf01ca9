"""The articulated body: from joint angles to joint positions.

Coordinates: x to the person's left, y up, z to the front; metres and radians. A limb with zero
angles hangs straight down. Side 0 is left, side 1 is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

Angles = Float64[np.ndarray, " t"]
Points = Float64[np.ndarray, "t 3"]
Rotations = Float64[np.ndarray, "t 3 3"]

FLEXION, ABDUCTION, ROTATION, ELBOW = range(4)  # channels of Pose.arms
HIP, SPREAD, KNEE, FOOT = range(4)  # channels of Pose.legs


@dataclass(frozen=True, kw_only=True)
class Build:
    """Proportions of a body.

    Attributes:
        height_metres: Height.
        hip_height: Height of the hips, as a share of the height.
        shoulder: Half the distance of the shoulder joints, as a share of the height.
        hip: Half the distance of the hip joints, as a share of the height.
        head: Radius of the head, as a share of the height.
        girth: Factor of all thicknesses; 1 is average.
    """

    height_metres: float
    hip_height: float
    shoulder: float
    hip: float
    head: float
    girth: float


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Joint angles over time.

    Attributes:
        lift: Height of the lowest foot above the ground, metres.
        back: Distance of the hips behind their usual place, metres.
        turn: Rotation of the body about the vertical, positive to the person's left.
        lean: Trunk forward from the hips.
        bend: Upper trunk forward from the waist.
        twist: Shoulders against the hips, positive to the person's left.
        nod: Head forward.
        head_turn: Head to the person's left.
        arms: (t, side, channel): flexion (forward), abduction (outward), rotation about the upper
            arm (outward), elbow. Abduction comes first, then flexion.
        legs: (t, side, channel): hip flexion, spread, knee, and how far the foot follows the shin
            (0 stays flat, 1 is rigid).
        planted: Whether the feet keep their place while the hips move, as in a squat.
    """

    lift: Angles
    back: Angles
    turn: Angles
    lean: Angles
    bend: Angles
    twist: Angles
    nod: Angles
    head_turn: Angles
    arms: Float64[np.ndarray, "t 2 4"]
    legs: Float64[np.ndarray, "t 2 4"]
    planted: bool


def rotation_about(axis: int, angle: Angles) -> Rotations:
    """Return right-handed rotation matrices.

    Args:
        axis: 0, 1 or 2.
        angle: Angle at each time, radians.
    """
    matrix = np.zeros((len(angle), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, axis, axis] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first] = np.sin(angle)
    matrix[:, first, second] = -np.sin(angle)
    return matrix


def joint_positions(pose: Pose, build: Build) -> dict[str, Points]:
    """Return the named points of the body at each time.

    Args:
        pose: Joint angles.
        build: Proportions.

    Returns:
        Positions by name, such as ``knee0``, in metres. The lowest foot is ``pose.lift`` above
        y = 0.
    """
    hips = rotation_about(1, pose.turn)
    points = _leg_points(pose, build, hips)
    points |= _trunk_points(pose, build, hips)
    ground = np.min([points[name][:, 1] for name in _SOLE_POINTS], axis=0)
    shift = np.stack([0 * ground, pose.lift - ground, -pose.back], axis=1)
    if pose.planted:
        shift[:, 2] -= (points["ankle0"][:, 2] + points["ankle1"][:, 2]) / 2
    return {name: point + shift for name, point in points.items()}


_SOLE_POINTS = ("heel0", "heel1", "toe0", "toe1")


def _leg_points(pose: Pose, build: Build, hips: Rotations) -> dict[str, Points]:
    """Return hips, knees, ankles, heels and toes; the pelvis is the origin."""
    height, points = build.height_metres, {}
    bone = (build.hip_height - 0.04) / 2 * height
    for side, sign in enumerate((1.0, -1.0)):
        hip, spread, knee, follow = pose.legs[:, side].T
        spread_out = hips @ rotation_about(2, sign * spread)
        thigh = spread_out @ rotation_about(0, -hip)
        shin = thigh @ rotation_about(0, knee)
        foot = spread_out @ rotation_about(0, (knee - hip) * follow)
        points[f"hip{side}"] = hips @ [sign * build.hip * height, 0, 0]
        points[f"knee{side}"] = points[f"hip{side}"] + thigh @ [0, -bone, 0]
        points[f"ankle{side}"] = points[f"knee{side}"] + shin @ [0, -bone, 0]
        outward = sign * 0.02 * height  # toes point slightly outwards
        for name, place in (
            ("heel", [0, -0.02 * height, -0.015 * height]),
            ("toe", [outward, -0.024 * height, 0.1 * height]),
        ):
            points[f"{name}{side}"] = points[f"ankle{side}"] + foot @ place
    return points


def _trunk_points(pose: Pose, build: Build, hips: Rotations) -> dict[str, Points]:
    """Return waist, chest, neck, arms and head; the pelvis is the origin."""
    height = build.height_metres
    lower = hips @ rotation_about(0, pose.lean)
    upper = lower @ rotation_about(1, pose.twist) @ rotation_about(0, pose.bend)
    waist = lower @ [0, 0.1 * height, 0]
    length = (0.83 - build.hip_height - 0.1) * height
    points = {
        f"belt{side}": lower @ [sign * 0.6 * build.hip * height, 0.05 * height, 0]
        for side, sign in enumerate((1.0, -1.0))
    }
    for name, place in {
        "chest0": [0.6 * build.shoulder * height, 0.6 * length, 0.012 * height],
        "chest1": [-0.6 * build.shoulder * height, 0.6 * length, 0.012 * height],
        "waist0": [0.55 * build.hip * height, 0.0, 0.0],
        "waist1": [-0.55 * build.hip * height, 0.0, 0.0],
        "print": [0, 0.62 * length, 0.062 * build.girth * height],
        "throat": [0, length + 0.01 * height, 0.0],
    }.items():
        points[name] = waist + upper @ place
    points |= _head_points(pose, build, upper, points["throat"])
    for side, sign in enumerate((1.0, -1.0)):
        shoulder = waist + upper @ [sign * build.shoulder * height, length - 0.012 * height, 0]
        points |= _arm_points(
            pose.arms[:, side], shoulder, upper, side=side, sign=sign, height=height
        )
    return points


def _arm_points(
    angles: Float64[np.ndarray, "t 4"],
    shoulder: Points,
    trunk: Rotations,
    *,
    side: int,
    sign: float,
    height: float,
) -> dict[str, Points]:
    flexion, abduction, rotation, elbow = angles.T
    upper = (
        trunk
        @ rotation_about(0, -flexion)
        @ rotation_about(2, sign * abduction)
        @ rotation_about(1, sign * rotation)
    )
    lower = upper @ rotation_about(0, -elbow)
    elbow_point = shoulder + upper @ [0, -0.172 * height, 0]
    return {
        f"shoulder{side}": shoulder,
        f"sleeve{side}": shoulder + upper @ [0, -0.11 * height, 0],
        f"elbow{side}": elbow_point,
        f"wrist{side}": elbow_point + lower @ [0, -0.14 * height, 0],
        f"hand{side}": elbow_point + lower @ [0, -0.18 * height, 0.004 * height],
    }


def _head_points(pose: Pose, build: Build, trunk: Rotations, throat: Points) -> dict[str, Points]:
    """Return the points of the head; offsets from its centre are in units of its radius."""
    radius = build.head * build.height_metres
    turned = trunk @ rotation_about(1, pose.head_turn) @ rotation_about(0, pose.nod)
    centre = throat + turned @ [0, 1.35 * radius, 0.15 * radius]
    places: Mapping[str, list[float]] = {
        "head": [0, 0.1, 0],
        "chin": [0, -0.55, 0.2],
        "nose": [0, -0.12, 0.98],
        "eye0": [0.36, 0.08, 0.86],
        "eye1": [-0.36, 0.08, 0.86],
        "ear0": [0.95, -0.05, -0.05],
        "ear1": [-0.95, -0.05, -0.05],
        "crown": [0, 0.38, -0.12],
        "nape": [0, -0.25, -0.5],
        "mane": [0, -1.35, -0.55],
        "bun": [0, 0.75, -0.95],
        "peak": [0, 0.42, 1.25],
        "fringe": [0, 0.74, 0.45],
        "top": [0, 0.52, 0.05],
    }
    return {name: centre + turned @ np.multiply(radius, place) for name, place in places.items()}
