"""Ticks, smoothing and thinning against what they promise; the curves against the log."""

import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from slic.report.charts import Series, line_chart, smoothed, thinned, ticks
from slic.report.training_curves import training_curves


@given(st.floats(1e-6, 1e6))
def test_ticks_cover_the_range_with_few_round_steps(high: float) -> None:
    marks = ticks(0.0, high)
    assert marks[0] == 0.0
    assert marks[-1] >= high * (1 - 1e-6)
    assert 2 <= len(marks) <= 6
    step = marks[1]
    assert step / 10 ** math.floor(math.log10(step) + 1e-9) == pytest.approx(
        round(step / 10 ** math.floor(math.log10(step) + 1e-9))
    )


def test_smoothing_is_the_mean_around_each_value() -> None:
    y = np.random.default_rng(0).normal(size=200)
    by_hand = [y[max(0, i - 5) : i + 6].mean() for i in range(200)]
    assert smoothed(y.tolist(), share=0.05) == pytest.approx(by_hand)
    assert smoothed([3.0]) == [3.0]


@pytest.mark.parametrize("length", [1, 299, 300, 301, 1234])
def test_thinning_keeps_the_mean(length: int) -> None:
    values = np.random.default_rng(0).normal(size=length).tolist()
    few = thinned(values)
    assert len(few) == min(length, 300)
    if length <= 300:
        assert few == values
    assert min(values) <= min(few) <= max(few) <= max(values)


def test_lines_stay_inside_the_box_and_rise_with_the_value() -> None:
    series = Series(name="loss <b>", x=[0.0, 1.0, 2.0], y=[0.0, 5.0, 10.0])
    chart = line_chart("t", "n", [series])
    path = re.search(r'class="line c0" d="M([^"]*)"', chart)
    assert path is not None
    places = [tuple(map(float, pair.split())) for pair in path[1].split("L")]
    assert places == [(44.0, 192.0), (217.0, 101.0), (390.0, 10.0)]
    assert "loss &lt;b&gt;" in chart
    assert "<b>" not in chart.replace("<b>t</b>", "")


def test_only_what_the_log_holds_is_drawn() -> None:
    log = [
        {
            "kind": "round",
            "step": 0,
            "clusters": 9,
            "singletons": 1,
            "largest": 3,
            "agreement": None,
        },
        {"kind": "step", "step": 0, "loss": 2.0, "instance": 1.5, "temporal": 0.5, "active": None},
        {"kind": "step", "step": 1, "loss": math.nan, "instance": 1.0, "temporal": 0.5},
        {"kind": "stopped", "step": 1},
    ]
    charts = training_curves(log)
    titles = [re.findall(r"<b>(.*?)</b>", chart)[0] for chart in charts]
    assert titles == ["Loss", "Clusters"]
    assert re.findall(r"</i>(\w+) <output>", charts[0]) == ["loss", "instance", "temporal"]
    assert "nan" not in "".join(charts).lower()
    assert training_curves([]) == []


def test_what_a_recipe_leaves_out_has_no_line() -> None:
    log = [
        {"kind": "step", "step": i, "loss": x, "instance": x, "temporal": 0.0, "active": 1.0}
        for i, x in enumerate((2.5, 1.5))
    ]
    (chart,) = training_curves(log)
    assert re.findall(r"<b>(.*?)</b>", chart)[0] == "Loss"
    assert re.findall(r"</i>(\w+) <output>", chart) == ["loss"]
