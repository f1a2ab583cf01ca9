"""The report of a run: one HTML file that opens offline and asks nothing of any other machine."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import groupby
from pathlib import Path

from slic.files import write_atomically
from slic.report.charts import bars
from slic.report.embedding_map import EmbeddingMap
from slic.report.map import map_figure
from slic.report.neighbour_rows import NEIGHBOURS, RULE, NeighbourRow, Tile
from slic.report.training_curves import Record, training_curves
from slic.videos.thumbnails import Filmstrip

MAP_STRIPS_BYTES = 3_500_000  # beyond, the map does without thumbnails: the report stays mailable
KINDS = {"all right": "All right", "some right": "Some right", "none right": "None right"}
ROWS_LEAD = (
    f"A query on the left, its {NEIGHBOURS} nearest neighbours beside it, with cosine similarity. "
    '<b class="right">✓</b> has the label of the query, <b class="wrong">✗</b> has another. '
    f'<label><input type="checkbox" id="play"> play all</label> <small>{RULE}</small>'
)
MAP_LEAD = (
    "One mark a video, placed by PCA and t-SNE: near marks have similar embeddings, far distances "
    "mean little. Large marks are queries. Point at a mark to see it; press a label to pick it out."
)
TRAINING_LEAD = (
    "Faint lines are single steps, strong lines their running mean, hairlines the rounds in which "
    "the videos were clustered anew. Point at a chart to read it."
)
CHARTS_LEAD = "Point at a chart to read it."


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of the headline, between 0 and 1, and what it has to beat.

    Attributes:
        name: For instance ``"R@1"``.
        value: Shown in percent.
        protocol: How it was measured, in words.
        baselines: Name to value: chance, mean frame, random weights.
        standard_error: Of the value; None when it is not known.
    """

    name: str
    value: float
    protocol: str
    baselines: Mapping[str, float] = field(default_factory=dict)
    standard_error: float | None = None


def write_report(
    path: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    headline: Sequence[Figure],
    log: Sequence[Record],
    points: EmbeddingMap | None = None,
    rows: Sequence[NeighbourRow] = (),
    charts: Sequence[str] = (),
    next_steps: Sequence[str] = (),
) -> None:
    """Write the report to ``path``, whole or not at all; equal input gives equal bytes.

    Args:
        path: The HTML file.
        title: Name of the run.
        facts: What was run: pairs of name and value, in this order.
        headline: The numbers that count; the first is the largest on the page.
        log: Records of the run's ``log.jsonl``.
        points: Map of the embeddings.
        rows: Queries with their neighbours.
        charts: Other charts, of `slic.report.charts.line_chart`.
        next_steps: Commands to type next.
    """
    sections = [
        *_section("results", "What it has learnt", "", _headline(headline)),
        *_section("neighbours", "Nearest neighbours", ROWS_LEAD, _rows(rows)),
        *_section("map", "Map of the embeddings", MAP_LEAD, _map(points)),
        *_section("charts", "From one to the next", CHARTS_LEAD, _charts(charts)),
        *_section("training", "Training", TRAINING_LEAD, _charts(training_curves(log))),
        *_section("run", "What was run", "", _facts(facts)),
        *_section("next", "Next", "", _next_steps(next_steps)),
    ]
    write_atomically(path, _page(title, sections).encode())


def _page(title: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """Fill the page; every piece is put in once, so no text can name another piece."""
    folder = resources.files("slic.report") / "run_report_page"
    script = (folder / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    pieces = {
        "title": html.escape(title),
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "script": script,
        "script_hash": f"sha256-{digest}",  # no other script runs, whatever a file is called
        "links": "".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in sections),
        "sections": "\n".join(body for _, _, body in sections),
    }
    frame = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: pieces[match[1]], frame)


def _section(key: str, heading: str, lead: str, body: str) -> list[tuple[str, str, str]]:
    """Return the section in a list, or an empty list when there is nothing to show."""
    if not body:
        return []
    lead = f'<p class="lead">{lead}</p>' * bool(lead)
    content = f'<section id="{key}"><h2>{heading}</h2>{lead}{body}</section>'
    return [(key, heading, content)]


def _headline(figures: Sequence[Figure]) -> str:
    return f'<div class="figures">{"".join(map(_figure, figures))}</div>' * bool(figures)


def _figure(figure: Figure) -> str:
    error = figure.standard_error
    margin = f"<small>± {100 * error:.1f}</small>" if error is not None else ""
    return (
        f'<article class="figure"><h3>{html.escape(figure.name)}</h3>'
        f'<p class="value">{100 * figure.value:.1f}<small>%</small> {margin}</p>'
        f"{bars(('this run', figure.value), figure.baselines)}"
        f'<p class="protocol">{html.escape(figure.protocol)}</p></article>'
    )


def _rows(rows: Sequence[NeighbourRow]) -> str:
    parts = []
    for kind, members in groupby(rows, key=lambda row: row.kind):
        of_kind = list(members)
        share = f"<small>{100 * of_kind[0].share:.0f} % of all queries</small>"
        parts.append(f"<h3>{KINDS[kind]} {share}</h3>")
        parts += [_row(row) for row in of_kind]
    return "".join(parts)


def _row(row: NeighbourRow) -> str:
    tiles = "".join(_tile(tile, right=tile.label == row.query.label) for tile in row.neighbours)
    return f'<div class="row">{_tile(row.query, right=None)}{tiles}</div>'


def _tile(tile: Tile, *, right: bool | None) -> str:
    kind = "query" if right is None else "right" if right else "wrong"
    mark = {"query": "query", "right": "✓", "wrong": "✗"}[kind]
    spoken = {"query": "", "right": ' aria-label="right"', "wrong": ' aria-label="wrong"'}[kind]
    score = "" if tile.similarity is None else f"<span>{tile.similarity:.2f}</span>"
    name = html.escape(tile.name)
    return (
        f'<figure class="tile {kind}" title="{name}">{_strip(tile.strip)}'
        f"<figcaption><b{spoken}>{mark}</b> <em>{html.escape(tile.label)}</em> {score}"
        f"<small>{name}</small></figcaption></figure>"
    )


def _strip(strip: Filmstrip | None) -> str:
    if strip is None:
        return '<div class="strip none"></div>'
    return (
        f'<div class="strip" style="--frames:{strip.frames};--seconds:{strip.seconds:.3f}s;'
        f'aspect-ratio:{strip.width}/{strip.height};background-image:url({strip.uri})"></div>'
    )


def _map(points: EmbeddingMap | None) -> str:
    if points is None:
        return ""
    if sum(len(strip.uri) for strip in points.strips if strip) > MAP_STRIPS_BYTES:
        points = replace(points, strips=())
    return map_figure(points)


def _charts(charts: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(charts)}</div>' * bool(charts)


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    pairs = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts)
    return f"<dl>{pairs}</dl>" * bool(facts)


def _next_steps(steps: Sequence[str]) -> str:
    return "".join(f"<pre><code>{html.escape(step)}</code></pre>" for step in steps)
