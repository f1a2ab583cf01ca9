"""A body keeps its bones and stands on the ground, whatever it does."""

import dataclasses

import numpy as np
import pytest

from slic.sample import ACTIONS
from slic.sample.actions import perform
from slic.sample.body import joint_positions, rotation_about
from slic.sample.figure import draw_actor
from slic.sample.take import draw_take


@pytest.mark.parametrize("action", ACTIONS)
def test_a_body_keeps_its_bones_its_ground_and_its_cycle(action: str) -> None:
    rng = np.random.default_rng(0)
    build = draw_actor(rng).build
    style = dataclasses.replace(draw_take(rng, "easy").style, fidget=0.0, cycles_per_second=1.0)
    points = joint_positions(perform(action, style, np.linspace(0, 2, 81)), build)
    for side in (0, 1):
        for near, far in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
            bone = np.linalg.norm(points[f"{near}{side}"] - points[f"{far}{side}"], axis=1)
            assert np.ptp(bone) < 1e-9
    soles = np.stack([points[f"{name}{side}"][:, 1] for name in ("heel", "toe") for side in (0, 1)])
    assert soles.min() == pytest.approx(0.0, abs=0.02)  # stands, and never sinks
    for point in points.values():
        assert np.allclose(point[:40], point[40:80], atol=1e-6)  # one cycle a second
        assert np.abs(np.diff(point, axis=0)).max() < 0.4  # metres in 25 ms: nothing jumps


@pytest.mark.parametrize("axis", range(3))
def test_rotations_are_right_handed(axis: int) -> None:
    (quarter,) = rotation_about(axis, np.array([np.pi / 2]))
    first, second = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
    assert np.allclose(quarter @ first, second)
    assert np.allclose(quarter @ np.eye(3)[axis], np.eye(3)[axis])
