"""The report page: numbers, neighbours, map, charts and settings in one HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from slic.report.charts import LineChart, marker_swatch, scatter_chart
from slic.report.embedding_map import EmbeddingMap
from slic.report.neighbour_rows import NEIGHBOURS, ROW_RULE, NeighbourRow
from slic.report.pages import read_asset, script_hash, write_page
from slic.report.training_curves import LogRecord, training_curves

MAX_MAP_THUMBNAIL_BYTES = 3_500_000  # a map with more gets none, so that the page can be mailed


@dataclass(frozen=True, kw_only=True)
class HeadlineScore:
    """One number at the top of the page, and the baselines beside it.

    Attributes:
        name: Name of the number, such as ``"R@1"``.
        value: In [0, 1]; printed in percent.
        protocol: The conditions of the evaluation in words.
        meaning: What the number counts, in a sentence.
        baselines: Name and value of each baseline: chance, mean frame, random weights.
        standard_error: Standard error of the value, or None.
    """

    name: str
    value: float
    protocol: str
    meaning: str = ""
    baselines: Mapping[str, float] = field(default_factory=dict)
    standard_error: float | None = None


def write_report(
    path: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    headline: Sequence[HeadlineScore],
    log: Sequence[LogRecord],
    summary: Sequence[tuple[str, str]] = (),
    baselines: Sequence[tuple[str, str]] = (),
    points: EmbeddingMap | None = None,
    rows: Sequence[NeighbourRow] = (),
    charts: Sequence[LineChart] = (),
    next_steps: Sequence[str] = (),
) -> None:
    """Write a report page, which opens offline and loads nothing from other machines.

    Sections without content are left out. Equal arguments give equal bytes.

    Args:
        path: The HTML file.
        title: Title of the page.
        facts: Name and value of each setting.
        headline: The numbers at the top.
        log: Records of the ``log.jsonl`` of a run; they become charts.
        summary: Questions and answers in words at the top, such as what was asked.
        baselines: Name of each baseline of the numbers, and what it is.
        points: Map of the embeddings.
        rows: Queries with their nearest neighbours.
        charts: Other charts.
        next_steps: Commands to suggest.

    Raises:
        WriteError: The file cannot be written.
    """
    script = read_asset("report.js")
    write_page(
        path,
        "report.html",
        title=title,
        style=read_asset("report.css"),
        script=script,
        script_hash=script_hash(script),
        summary=summary,
        headline=headline,
        baselines=baselines,
        neighbours=NEIGHBOURS,
        row_rule=ROW_RULE,
        rows=[(kind, list(group)) for kind, group in groupby(rows, key=lambda row: row.kind)],
        map=_map_values(points) if points else None,
        charts=charts,
        training=training_curves(log),
        facts=facts,
        next_steps=next_steps,
    )


def _map_values(points: EmbeddingMap) -> dict[str, Any]:
    """Return drawing, legend and tooltip data of the map."""
    if sum(len(strip.uri) for strip in points.strips if strip) > MAX_MAP_THUMBNAIL_BYTES:
        points = replace(points, strips=())
    count = Counter(points.labels)
    number = {label: i for i, label in enumerate(sorted(count))}
    svg = scatter_chart(
        points.position,
        [number[label] for label in points.labels],
        large=points.queries,
        description="Map of the embeddings, coloured by label",
    )
    legend = [{"name": x, "count": count[x], "swatch": marker_swatch(i)} for x, i in number.items()]
    return {"svg": svg, "legend": legend, "points": _tooltip_values(points)}


def _tooltip_values(points: EmbeddingMap) -> list[dict[str, Any]]:
    columns = zip(points.names, points.labels, points.queries, strict=True)
    values = [{"name": name, "label": label, "query": query} for name, label, query in columns]
    for value, strip in zip(values, points.strips, strict=False):  # strips may be empty
        if strip:
            value |= {key: getattr(strip, key) for key in ("uri", "frames", "width", "height")}
    return values
