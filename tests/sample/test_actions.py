"""Each action moves the body in its own way."""

import dataclasses

import numpy as np

from slic.sample.actions import ACTIONS, PerformanceStyle, perform
from slic.sample.body import Build, joint_positions
from slic.sample.take import draw_take


def test_every_action_moves_and_each_in_its_own_way() -> None:
    build = Build(
        height_metres=1.7, hip_height=0.52, shoulder=0.11, hip=0.055, head=0.07, girth=1.0
    )
    style = dataclasses.replace(
        draw_take(np.random.default_rng(1), "easy").style, fidget=0.0, cycles_per_second=1.0
    )
    seconds = np.arange(0, 1, 0.04)

    def velocity(action: str, style: PerformanceStyle) -> list[float]:
        points = joint_positions(perform(action, style, seconds), build)
        names = ("hand0", "hand1", "ankle0", "ankle1", "head")
        return [v for name in names for v in np.abs(np.diff(points[name], axis=0)).mean(axis=0)]

    speeds = np.array([velocity(action, style) for action in ACTIONS])
    assert (speeds.max(axis=1) > 0.005).all()
    apart = np.linalg.norm(speeds[:, None] - speeds[None], axis=-1)
    assert apart[~np.eye(len(ACTIONS), dtype=bool)].min() > 0.01
