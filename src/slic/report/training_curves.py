"""From the records of a run's ``log.jsonl`` to the charts of the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slic.report.charts import Series, line_chart

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
        note="What training lowers: videos of one cluster come together, others move apart "
        "(instance); two looks at one moment stay nearer than two moments (temporal).",
        names={"loss": "loss", "instance": "instance", "temporal": "temporal"},
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

    What a recipe leaves out has no line of steps: a term that is 0 all along, one that is all of
    the loss, a share that is always 1.
    """
    rounds = [float(record["step"]) for record in log if record["kind"] == "round"]
    charts = []
    for curve in CURVES:
        series = [
            one for key, name in curve.names.items() if (one := _series(log, curve, key, name))
        ]
        marks: Sequence[float] = ()
        if curve.kind == "step":
            series, marks = _telling(series), rounds
        if series:
            charts.append(line_chart(curve.title, curve.note, series, marks=marks))
    return charts


def _telling(series: Sequence[Series]) -> list[Series]:
    """Leave out lines that are 0 or 1 all along, and those that lie on another."""
    telling: list[Series] = []
    for one in series:
        if set(one.y) not in ({0.0}, {1.0}) and one.y not in [other.y for other in telling]:
            telling.append(one)
    return telling


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
