"""The map of the embeddings as inline SVG: colour and shape say the label, the pointer the rest."""

import html
import json
from collections.abc import Sequence

from slic.report.embedding_map import EmbeddingMap
from slic.videos.thumbnails import Filmstrip

WIDTH, HEIGHT, MARGIN = 900.0, 560.0, 16.0
COLOURS = 10
SHAPES = (  # paths around (0, 0), of about equal area; a second cue beside the colour
    "M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0z",
    "M-3.9-3.9h7.8v7.8h-7.8z",
    "M0-5.4L5.2 3.6H-5.2z",
    "M0-5.6L5 0L0 5.6L-5 0z",
)


def map_figure(points: EmbeddingMap) -> str:
    """Return the map, a legend whose entries pick out one label, and the data of the tooltip."""
    labels = sorted(set(points.labels))
    number = {label: i for i, label in enumerate(labels)}
    marks = [
        _mark(position, number[label], query=query)
        for position, label, query in zip(
            points.position.tolist(), points.labels, points.queries, strict=True
        )
    ]
    count = {label: points.labels.count(label) for label in labels}
    legend = "".join(
        f'<li><button type="button" aria-pressed="false" data-label="{i}">{_swatch(i)}'
        f"{html.escape(label)} <small>{count[label]}</small></button></li>"
        for label, i in number.items()
    )
    return (
        f'<div class="map"><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-label="Map of the embeddings, coloured by label">{"".join(marks)}</svg>'
        f'<ul class="labels">{legend}</ul><div class="tip" hidden></div></div>'
        f'<script type="application/json" id="map-data">{_data(points)}</script>'
    )


def json_for_page(value: object) -> str:
    """Return JSON that cannot end the script element it stands in, whatever the names are."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _mark(position: Sequence[float], number: int, *, query: bool) -> str:
    x = MARGIN + position[0] * (WIDTH - 2 * MARGIN)
    y = HEIGHT - MARGIN - position[1] * (HEIGHT - 2 * MARGIN)
    kind = " query" if query else ""
    scale = "scale(1.35)" if query else "scale(.9)"
    return (
        f'<path class="c{number % COLOURS}{kind}" data-label="{number}" d="{_shape(number)}" '
        f'transform="translate({x:.1f} {y:.1f}){scale}"/>'
    )


def _shape(number: int) -> str:
    """Return a shape such that the first forty labels differ in colour or shape."""
    return SHAPES[(number % COLOURS + number // COLOURS) % len(SHAPES)]


def _swatch(number: int) -> str:
    return (
        f'<svg class="swatch" viewBox="-7 -7 14 14" aria-hidden="true">'
        f'<path class="c{number % COLOURS}" d="{_shape(number)}"/></svg>'
    )


def _data(points: EmbeddingMap) -> str:
    strips: Sequence[Filmstrip | None] = points.strips or [None] * len(points.names)
    return json_for_page(
        [
            {"name": name, "label": label, "query": query}
            | (
                {"uri": s.uri, "frames": s.frames, "width": s.width, "height": s.height}
                if s
                else {}
            )
            for name, label, query, s in zip(
                points.names, points.labels, points.queries, strips, strict=True
            )
        ]
    )
