"""Ticks, moving averages and downsampling by their definitions, lines and marks by hand."""

import html
import json
import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from slic.report.charts import (
    COLOURS,
    Series,
    axis_ticks,
    downsample,
    line_chart,
    marker_swatch,
    moving_average,
    scatter_chart,
)


@given(st.floats(1e-6, 1e6))
def test_ticks_cover_the_range_with_few_round_steps(high: float) -> None:
    marks = axis_ticks(0.0, high)
    assert marks[0] == 0.0
    assert marks[-1] >= high * (1 - 1e-6)
    assert 2 <= len(marks) <= 6
    step = marks[1]
    assert step / 10 ** math.floor(math.log10(step) + 1e-9) == pytest.approx(
        round(step / 10 ** math.floor(math.log10(step) + 1e-9))
    )


def test_the_moving_average_is_the_mean_around_each_value() -> None:
    y = np.random.default_rng(0).normal(size=200)
    by_hand = [y[max(0, i - 5) : i + 6].mean() for i in range(200)]
    assert moving_average(y.tolist(), share=0.05) == pytest.approx(by_hand)
    assert moving_average([3.0]) == [3.0]


@pytest.mark.parametrize("length", [1, 299, 300, 301, 1234])
def test_downsampling_takes_means(length: int) -> None:
    values = np.random.default_rng(0).normal(size=length).tolist()
    few = downsample(values)
    assert len(few) == min(length, 300)
    if length <= 300:
        assert few == values
    assert min(values) <= min(few) <= max(few) <= max(values)


def test_lines_stay_inside_the_box_and_rise_with_the_value() -> None:
    series = Series(name="loss <b>", x=[0.0, 1.0, 2.0], y=[0.0, 5.0, 10.0])
    chart = line_chart("t", "n", [series])
    path = re.search(r'class="line c0" d="M([^"]*)"', chart.svg)
    assert path is not None
    places = [tuple(map(float, pair.split())) for pair in path[1].split("L")]
    assert places == [(44.0, 192.0), (217.0, 101.0), (390.0, 10.0)]
    assert chart.legend == (("loss <b>", "10"),)


def test_names_are_escaped_and_numbers_can_be_read_back() -> None:
    series = Series(name="loss", x=[0.0, 1.0], y=[0.5, 0.25])
    chart = line_chart("<i>'\"", "n", [series], axis="epoch")
    assert "<i>" not in chart.svg
    numbers = re.search(r'data-numbers="([^"]*)"', chart.svg)
    assert numbers is not None
    assert json.loads(html.unescape(numbers[1])) == {
        "axis": "epoch",
        "end": 1.0,
        "series": [{"x": [0.0, 1.0], "y": [0.5, 0.25]}],
    }


def test_steps_on_the_axis_are_whole_numbers() -> None:
    chart = line_chart("t", "n", [Series(name="loss", x=[0.0, 1.0], y=[0.5, 0.25])])
    assert re.findall(r'<text class="x"[^>]*>([^<]*)', chart.svg) == ["0", "1"]


def test_marks_are_at_their_places() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    drawn = scatter_chart(corners, [0, 11], large=[True, False], description="a map")
    assert re.findall(r'class="([^"]*)" data-label="(\d+)"', drawn) == [
        ("c0 query", "0"),
        ("c1", "11"),
    ]
    assert "translate(16.0 544.0)scale(1.35)" in drawn
    assert "translate(884.0 16.0)scale(0.9)" in drawn


def test_forty_groups_differ_in_colour_or_shape() -> None:
    assert len({marker_swatch(group) for group in range(4 * COLOURS)}) == 4 * COLOURS
