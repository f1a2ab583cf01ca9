"""Charts from the ``log.jsonl`` of a pretraining run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slic.report.charts import LineChart, Series, line_chart

MAX_NUMBER = 1e100  # the sums and squares of a chart stay finite
LogRecord = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One chart of training curves.

    Attributes:
        kind: Kind of the records that it shows, ``"step"`` or ``"round"``.
        title: What the chart shows.
        note: What that means, in a sentence.
        names: Key in the record -> name in the legend.
    """

    kind: str
    title: str
    note: str
    names: Mapping[str, str]


CURVES = (
    Curve(
        kind="step",
        title="Loss",
        note="The instance term pulls videos of one cluster together and pushes others apart. A "
        "temporal term, if it is on, keeps two views of one moment closer than two moments.",
        names={"loss": "loss", "instance": "instance", "temporal": "temporal"},
    ),
    Curve(
        kind="step",
        title="Active share",
        note="Share of the pairs (triplets), or of the batch (InfoNCE), that entered the loss.",
        names={"active": "active share"},
    ),
    Curve(
        kind="round",
        title="Clusters",
        note="Pseudo-labels of each round. A singleton is a cluster of one video.",
        names={"clusters": "clusters", "singletons": "singletons", "largest": "largest cluster"},
    ),
    Curve(
        kind="round",
        title="Clusters against labels",
        note="Labels are never trained on. 0 is no agreement, 1 is full agreement. NMI and purity "
        "are high for many small clusters, AMI is not. Agreement compares with the round before.",
        names={"nmi": "NMI", "ami": "AMI", "purity": "purity", "agreement": "agreement"},
    ),
)


def training_curves(log: Sequence[LogRecord]) -> list[LineChart]:
    """Return a chart for each of `CURVES` that the log has numbers for.

    Where the encoder has several vectors, each has charts of its clusters.

    Lines of steps that carry no information are left out: a term that is always 0, one that equals
    the loss, and a share that is always 1.

    Args:
        log: Records of a run, in order.
    """
    rounds = [record for record in log if record.get("kind") == "round"]
    steps = (finite_number(record, "step") for record in rounds)
    marks = sorted({step for step in steps if step is not None})
    vectors = sorted({str(record.get("vector", "")) for record in rounds})
    charts = []
    for curve in CURVES:
        if curve.kind == "step":
            charts += _charts_of(log, curve, marks=marks)
            continue
        for vector in vectors:
            title = f"{curve.title}: {vector}" if vector else curve.title
            of_vector = [record for record in rounds if record.get("vector", "") == vector]
            charts += _charts_of(of_vector, replace(curve, title=title))
    return charts


def _charts_of(
    log: Sequence[LogRecord], curve: Curve, *, marks: Sequence[float] = ()
) -> list[LineChart]:
    """Return one chart, or none if the log has no numbers for it."""
    found = (_series_of(log, curve, key, name) for key, name in curve.names.items())
    series = [one for one in found if one]
    if curve.kind == "step":
        series = _informative(series)
    return [line_chart(curve.title, curve.note, series, marks=marks)] if series else []


def _informative(series: Sequence[Series]) -> list[Series]:
    """Leave out lines that are always 0 or always 1, and copies of another line."""
    kept: list[Series] = []
    for one in series:
        if set(one.y) not in ({0.0}, {1.0}) and one.y not in [other.y for other in kept]:
            kept.append(one)
    return kept


def _series_of(log: Sequence[LogRecord], curve: Curve, key: str, name: str) -> Series | None:
    """Return the finite numbers of one key, or None if the log has none."""
    points = [
        (step, value)
        for record in log
        if record.get("kind") == curve.kind
        and (step := finite_number(record, "step")) is not None
        and (value := finite_number(record, key)) is not None
    ]
    if not points:
        return None
    x, y = zip(*points, strict=True)
    return Series(name=name, x=x, y=y, smooth=curve.kind == "step")


def finite_number(record: LogRecord, key: str) -> float | None:
    """Return a number of a record, or None if there is none that JSON can represent."""
    value = record.get(key)
    if not isinstance(value, int | float) or not -MAX_NUMBER < value < MAX_NUMBER:
        return None
    return float(value)
