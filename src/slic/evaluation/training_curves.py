"""From the records of a run's ``log.jsonl`` to the charts of the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slic.evaluation.report_charts import Series, line_chart

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One chart: which numbers of which records it shows, and what it says about them."""

    kind: str
    title: str
    note: str
    names: Mapping[str, str]  # key in the record -> word in the legend


CURVES = (
    Curve(
        kind="step",
        title="Loss",
        note="What training lowers: instance plus weighted temporal term.",
        names={"loss": "loss"},
    ),
    Curve(
        kind="step",
        title="Instance loss",
        note="Videos of one cluster come together, others move apart.",
        names={"instance": "instance"},
    ),
    Curve(
        kind="step",
        title="Temporal loss",
        note="Two looks at one moment stay nearer than two moments.",
        names={"temporal": "temporal"},
    ),
    Curve(
        kind="step",
        title="Active pairs",
        note="Share of the pairs that still give the loss something to do.",
        names={"active": "active share"},
    ),
    Curve(
        kind="round",
        title="Clusters",
        note="Pseudo-labels found in each round; singletons are videos on their own.",
        names={"clusters": "clusters", "singletons": "singletons", "largest": "largest cluster"},
    ),
    Curve(
        kind="round",
        title="Clusters against the true labels",
        note="Watched, never trained on. Agreement is that with the round before.",
        names={"nmi": "NMI", "ami": "AMI", "purity": "purity", "agreement": "agreement"},
    ),
)


def training_curves(log: Sequence[Record]) -> list[str]:
    """Return a chart for each of ``CURVES`` for which the log has numbers.

    What is 0 all along, as a loss that the recipe leaves out, gets none.
    """
    rounds = [float(record["step"]) for record in log if record["kind"] == "round"]
    charts = []
    for curve in CURVES:
        series = [
            one for key, name in curve.names.items() if (one := _series(log, curve, key, name))
        ]
        if any(any(one.y) for one in series):
            marks = rounds if curve.kind == "step" else ()
            charts.append(line_chart(curve.title, curve.note, series, marks=marks))
    return charts


def _series(log: Sequence[Record], curve: Curve, key: str, name: str) -> Series | None:
    """Return the finite numbers of one key; None when the log has none."""
    points = [
        (float(record["step"]), float(record[key]))
        for record in log
        if record["kind"] == curve.kind and _finite(record.get(key))
    ]
    if not points:
        return None
    x, y = zip(*points, strict=True)
    return Series(name=name, x=x, y=y, smooth=curve.kind == "step")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
