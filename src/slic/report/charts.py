"""The charts of the pages, as inline SVG.

Colours are classes of the style sheet, so that one chart serves light and dark pages. The numbers
of a line chart are embedded as JSON, from which the page's script reads values under the pointer.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

CHART_WIDTH, CHART_HEIGHT = 400.0, 220.0  # report.js knows these and the margins
LEFT_MARGIN, RIGHT_MARGIN, TOP_MARGIN, BOTTOM_MARGIN = 44.0, 10.0, 10.0, 28.0
MAX_LINE_POINTS = 300
MAX_DOTS = 40  # a line of more points has no dots
SMOOTHING_SHARE = 0.05
MAP_WIDTH, MAP_HEIGHT, MAP_MARGIN = 900.0, 560.0, 16.0  # report.js knows width and height
COLOURS = 10
MARKERS = (  # paths around (0, 0) of about equal area
    "M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0z",
    "M-3.9-3.9h7.8v7.8h-7.8z",
    "M0-5.4L5.2 3.6H-5.2z",
    "M0-5.6L5 0L0 5.6L-5 0z",
)


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart.

    Attributes:
        name: Name in the legend.
        x: Ascending steps.
        y: Values, as many as steps.
        smooth: Draw the values faintly, and their moving average over them.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    smooth: bool = False


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """A chart for the template ``line_chart``.

    Attributes:
        title: What the chart shows.
        note: What that means, in a sentence.
        legend: Name and last value of each line.
        svg: The drawing.
    """

    title: str
    note: str
    legend: tuple[tuple[str, str], ...]
    svg: Markup


def line_chart(
    title: str,
    note: str,
    series: Sequence[Series],
    *,
    marks: Sequence[float] = (),
    axis: str = "step",
) -> LineChart:
    """Draw lines over the training step, from zero upwards.

    Args:
        title: What the chart shows.
        note: What that means, in a sentence.
        series: The lines, at least one.
        marks: Steps at which to draw a vertical dashed line.
        axis: Name of the horizontal axis, one word.
    """
    lines = [_Line.from_series(one) for one in series]
    x_end = max(1.0, *(line.x[-1] for line in lines))  # the axis ends with the data
    y_ticks = axis_ticks(0.0, max(max(line.peak for line in lines), 1e-6))
    scale = _Scale(x_end=x_end, y_end=y_ticks[-1])
    numbers = {
        "axis": axis,
        "end": x_end,
        "series": [{"x": line.x, "y": [float(f"{v:.4g}") for v in line.y]} for line in lines],
    }
    bottom = CHART_HEIGHT - BOTTOM_MARGIN
    parts = [
        *(_grid_line(scale, y) for y in y_ticks),
        Markup('<text class="y" x="{}" y="{}">{}</text>').format(
            LEFT_MARGIN - 10, CHART_HEIGHT - 9, axis
        ),
        *(_x_label(scale, x) for x in axis_ticks(0.0, x_end) if x <= x_end and x.is_integer()),
        *(
            Markup('<path class="mark" d="M{:.1f} {}V{}"/>').format(scale.x(x), TOP_MARGIN, bottom)
            for x in marks
        ),
        *(line.draw(scale, number) for number, line in enumerate(lines)),
    ]
    svg = Markup(
        '<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{} over the {}s" '
        'data-numbers="{}">{}<path class="cursor" d=""/></svg>'
    ).format(CHART_WIDTH, CHART_HEIGHT, title, axis, json.dumps(numbers), Markup("").join(parts))
    legend = tuple((line.name, format_compact(line.y[-1])) for line in lines)
    return LineChart(title=title, note=note, legend=legend, svg=svg)


def scatter_chart(
    position: Float[np.ndarray, "n 2"],
    groups: Sequence[int],
    *,
    large: Sequence[bool],
    description: str,
) -> Markup:
    """Draw one mark per point, whose colour and shape tell its group.

    Args:
        position: Coordinates in [0, 1], y upwards.
        groups: Group number of each point.
        large: Whether the mark of each point is drawn larger.
        description: Text for screen readers.
    """
    marks = []
    mark = Markup(
        '<path class="c{}{}" data-label="{}" d="{}" transform="translate({:.1f} {:.1f})scale({})"/>'
    )
    for (x, y), group, is_large in zip(position.tolist(), groups, large, strict=True):
        left = MAP_MARGIN + x * (MAP_WIDTH - 2 * MAP_MARGIN)
        top = MAP_HEIGHT - MAP_MARGIN - y * (MAP_HEIGHT - 2 * MAP_MARGIN)
        second_class, size = (" query", 1.35) if is_large else ("", 0.9)
        path = marker_path(group)
        marks.append(mark.format(group % COLOURS, second_class, group, path, left, top, size))
    return Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        MAP_WIDTH, MAP_HEIGHT, description, Markup("").join(marks)
    )


def marker_swatch(group: int) -> Markup:
    """Return the mark of a group for a legend."""
    return Markup(
        '<svg class="swatch" viewBox="-7 -7 14 14" aria-hidden="true">'
        '<path class="c{}" d="{}"/></svg>'
    ).format(group % COLOURS, marker_path(group))


def marker_path(group: int) -> str:
    """Return the shape of a group; the first forty groups differ in colour or shape."""
    return MARKERS[(group % COLOURS + group // COLOURS) % len(MARKERS)]


def moving_average(y: Sequence[float], *, share: float = SMOOTHING_SHARE) -> list[float]:
    """Return the mean of a centred window around each value; the window is cut at both ends.

    Args:
        y: The values.
        share: Length of the window as a share of all values.
    """
    half = int(share * len(y) / 2)
    sums = [0.0, *accumulate(y)]
    means = []
    for i in range(len(y)):
        first, end = max(0, i - half), min(len(y), i + half + 1)
        means.append((sums[end] - sums[first]) / (end - first))
    return means


def downsample(values: Sequence[float], max_points: int = MAX_LINE_POINTS) -> list[float]:
    """Return at most ``max_points`` means of successive values; few values stay as they are."""
    if len(values) <= max_points:
        return list(values)
    edges = [round(i * len(values) / max_points) for i in range(max_points + 1)]
    return [math.fsum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def axis_ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Return evenly spaced round numbers, 1, 2 or 5 times a power of 10 apart, over a range.

    Args:
        low: Lower end of the range.
        high: Upper end of the range.
        about: Approximate number of intervals.
    """
    rough = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1.0, 2.0, 5.0, 10.0) if rough <= m * power * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def format_compact(value: float) -> str:
    """Return a number with about three significant digits and no trailing zeros."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Map values to coordinates of the chart."""

    x_end: float
    y_end: float

    def x(self, value: float) -> float:
        return LEFT_MARGIN + (CHART_WIDTH - LEFT_MARGIN - RIGHT_MARGIN) * value / self.x_end

    def y(self, value: float) -> float:
        height = CHART_HEIGHT - TOP_MARGIN - BOTTOM_MARGIN
        return CHART_HEIGHT - BOTTOM_MARGIN - height * value / self.y_end


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A series, downsampled; ``raw`` is empty unless the series is smoothed."""

    name: str
    x: list[float]
    y: list[float]
    raw: list[float]
    peak: float

    @classmethod
    def from_series(cls, series: Series) -> "_Line":
        x, raw = downsample(series.x), downsample(series.y)
        if not series.smooth:
            return cls(name=series.name, x=x, y=raw, raw=[], peak=max(raw))
        y = downsample(moving_average(series.y))
        ordered = sorted(raw)  # one outlier must not flatten the rest
        peak = max(max(y), ordered[int(0.99 * (len(ordered) - 1))])
        return cls(name=series.name, x=x, y=y, raw=raw, peak=peak)

    def draw(self, scale: _Scale, number: int) -> Markup:
        path = Markup('<path class="{} c{}" d="{}"/>')
        parts = [path.format("raw", number, self._path(scale, self.raw))] if self.raw else []
        parts.append(path.format("line", number, self._path(scale, self.y)))
        if not self.raw and len(self.x) <= MAX_DOTS:
            dot = Markup('<circle class="c{}" cx="{:.1f}" cy="{:.1f}" r="3"/>')
            points = zip(self.x, self.y, strict=True)
            parts += [dot.format(number, scale.x(x), scale.y(y)) for x, y in points]
        return Markup("").join(parts)

    def _path(self, scale: _Scale, values: Sequence[float]) -> str:
        points = zip(self.x, values, strict=True)
        return "M" + "L".join(f"{scale.x(x):.1f} {max(scale.y(y), 1.0):.1f}" for x, y in points)


def _grid_line(scale: _Scale, value: float) -> Markup:
    y = scale.y(value)
    return Markup(
        '<path class="grid" d="M{} {:.1f}H{}"/><text class="y" x="{}" y="{:.1f}">{}</text>'
    ).format(
        LEFT_MARGIN, y, CHART_WIDTH - RIGHT_MARGIN, LEFT_MARGIN - 6, y + 4, format_compact(value)
    )


def _x_label(scale: _Scale, value: float) -> Markup:
    return Markup('<text class="x" x="{:.1f}" y="{}">{:,.0f}</text>').format(
        scale.x(value), CHART_HEIGHT - 9, value
    )
