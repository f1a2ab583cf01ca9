"""Callbacks see a run in order, and the mean frame fades in as its formula says."""

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from slic.callbacks import Callback, CallbackList, MeanFrameFade
from slic.errors import RecipeError

EVENTS = [name for name in vars(Callback) if name.startswith("on_")]
WITH_MORE = {"on_clustered", "on_step_end"}


@pytest.mark.parametrize("event", EVENTS)
def test_a_list_passes_every_event_on_in_order(event: str) -> None:
    heard: list[tuple[int, tuple[Any, ...]]] = []

    class Noting(Callback):
        def __init__(self, number: int) -> None:
            def note(*arguments: Any) -> None:
                heard.append((number, arguments))

            setattr(self, event, note)

    arguments = ("run", "more") if event in WITH_MORE else ("run",)
    getattr(CallbackList([Noting(1), Noting(2)]), event)(*arguments)
    assert heard == [(1, arguments), (2, arguments)]


def test_the_mean_frame_is_hidden_before_its_span_and_whole_after_it() -> None:
    weights = [MeanFrameFade(0.25, 0.75).weight(step, 8) for step in range(9)]
    assert weights == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert [MeanFrameFade(0.5, 0.5).weight(step, 4) for step in range(5)] == [0, 0, 1, 1, 1]
    assert [MeanFrameFade(0.0, 0.0).weight(step, 4) for step in range(5)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.2), (-0.5, 0.2), (1.0, 1.0), (0.2, 1.5)])
def test_an_impossible_span_is_refused(start: float, end: float) -> None:
    with pytest.raises(RecipeError, match="start <= end"):
        MeanFrameFade(start, end)


def run_of(backbone: Any) -> Any:
    return SimpleNamespace(
        encoder=SimpleNamespace(backbone=backbone),
        state=SimpleNamespace(step=0),
        total_steps=10,
        processes=SimpleNamespace(is_main=True),
    )


def test_a_backbone_that_cannot_hide_its_mean_frame_is_refused() -> None:
    with pytest.raises(RecipeError, match="needs a backbone with a mean_frame_weight"):
        MeanFrameFade().on_start(run_of(nn.Identity()))


def test_the_mean_frame_cannot_both_fade_in_and_be_hidden_for_good() -> None:
    with pytest.raises(RecipeError, match="Choose one of the two"):
        MeanFrameFade().on_start(run_of(SimpleNamespace(mean_frame_weight=0.5)))


def test_a_resumed_run_has_the_weight_of_its_last_step() -> None:
    run = run_of(SimpleNamespace(mean_frame_weight=1.0))
    run.state.step = 6
    MeanFrameFade(0.0, 1.0).on_start(run)
    assert run.encoder.backbone.mean_frame_weight == 0.5


def test_the_weight_is_set_before_rounds_and_steps() -> None:
    run = run_of(SimpleNamespace(mean_frame_weight=1.0))
    MeanFrameFade(0.0, 1.0).on_round_begin(run)
    assert run.encoder.backbone.mean_frame_weight == 0.0
    run.state.step = 5
    MeanFrameFade(0.0, 1.0).on_step_begin(run)
    assert run.encoder.backbone.mean_frame_weight == 0.5
