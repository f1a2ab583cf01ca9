"""The curves against the records of a log."""

import math

from slic.report.training_curves import training_curves


def test_only_numbers_of_the_log_are_drawn() -> None:
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
    assert [chart.title for chart in charts] == ["Loss", "Clusters"]
    assert [name for name, _ in charts[0].legend] == ["loss", "instance", "temporal"]
    assert "nan" not in "".join(chart.svg for chart in charts).lower()
    assert training_curves([]) == []


def test_a_term_that_the_recipe_leaves_out_has_no_line() -> None:
    log = [
        {"kind": "step", "step": i, "loss": x, "instance": x, "temporal": 0.0, "active": 1.0}
        for i, x in enumerate((2.5, 1.5))
    ]
    (chart,) = training_curves(log)
    assert chart.title == "Loss"
    assert [name for name, _ in chart.legend] == ["loss"]
