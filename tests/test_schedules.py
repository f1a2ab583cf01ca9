"""The learning rate of each step, against its formula."""

import math

import pytest

from slic.errors import RecipeError
from slic.schedules import SCHEDULES, ConstantSchedule


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_warms_up_then_stays_or_falls_to_nothing(name: str) -> None:
    schedule = SCHEDULES[name](warmup_steps=4)
    rates = [schedule(0.2, step=step, total_steps=20) for step in range(21)]
    assert rates[:4] == pytest.approx([0.05, 0.10, 0.15, 0.20])
    after = [0.1 * (1 + math.cos(math.pi * s / 16)) for s in range(17)]
    assert rates[4:] == pytest.approx(after if name == "cosine" else [0.2] * 17)


def test_a_warm_up_of_fewer_than_no_steps_is_refused() -> None:
    with pytest.raises(RecipeError, match="warmup_steps is -1, but it must be at least 0"):
        ConstantSchedule(warmup_steps=-1)
