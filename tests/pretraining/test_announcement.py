"""A run says what it trains on and how long it takes."""

from types import SimpleNamespace
from typing import Any

import pytest

from slic.pretraining import announcement
from slic.pretraining.announcement import MEASURED_STEPS, Announcement, in_words


def run_at(step: int, *, rounds_before: tuple[int, ...] = ()) -> Any:
    """Return a run of 40 epochs of 10 steps, of which so many steps are done."""
    state = SimpleNamespace(step=step, epoch=step // 10, epochs=40)
    rounds = SimpleNamespace(due=lambda epoch: epoch in rounds_before)
    return SimpleNamespace(state=state, rounds=rounds, total_steps=400)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(announcement, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_time_left_has_the_steps_and_the_rounds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    told: Any = Announcement("1,800 segments of 4 s from 1 video", show=True)
    told.on_start(run_at(0))
    told.on_round_begin(run_at(0))
    clock[0] += 100
    told.on_clustered(run_at(0), None)
    for step in range(1, 20):
        clock[0] += 50 if step == 1 else 2  # the first step starts workers
        told.on_step_end(run_at(step, rounds_before=(0, 10, 20)), None)
    left = 400 - 1 - MEASURED_STEPS
    minutes = round((2 * left + 2 * 100) / 60)  # 988 s
    assert capsys.readouterr().err.splitlines() == [
        "slic: training on 1,800 segments of 4 s from 1 video: 400 steps",
        f"slic: {left} more steps take about {minutes} minutes",
    ]


def test_a_resumed_run_says_what_is_done_and_a_silent_one_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    Announcement("60 videos", show=True).on_start(run_at(120))
    said = capsys.readouterr().err
    assert said == "slic: training on 60 videos: 400 steps, 120 of them done\n"
    silent: Any = Announcement("60 videos", show=False)
    silent.on_start(run_at(0))
    for step in range(1, 20):
        clock[0] += 1
        silent.on_step_end(run_at(step), None)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 seconds"), (119.0, "119 seconds"), (120.0, "2 minutes"), (7e3, "117 minutes")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
