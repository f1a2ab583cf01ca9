"""The charts of the report, as inline SVG and plain HTML: no library, no request.

A chart is drawn in a box of 400 x 220 units and scales with the page. Colours are classes of the
style sheet, so that the same picture serves the light and the dark page. The numbers ride along
as JSON for the page's script, which reads them out under the pointer.
"""

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

WIDTH, HEIGHT = 400.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 10.0, 28.0
MOST_POINTS = 300  # of one line; more cannot be seen


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart.

    Attributes:
        name: Stands in the legend.
        x: Steps, rising.
        y: Values; same length.
        smooth: Draw the values faintly and a smoothed line over them.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    smooth: bool = False


def smoothed(y: Sequence[float], *, share: float = 0.05) -> list[float]:
    """Return the mean over ``share`` of the whole, around each value.

    The window is centred, so the line does not lag behind; at both ends it is cut off.
    """
    half = int(share * len(y) / 2)
    sums = [0.0, *accumulate(y)]
    result = []
    for i in range(len(y)):
        first, end = max(0, i - half), min(len(y), i + half + 1)
        result.append((sums[end] - sums[first]) / (end - first))
    return result


def thinned(values: Sequence[float], most: int = MOST_POINTS) -> list[float]:
    """Return at most ``most`` means over runs of neighbours; nothing is lost when they fit."""
    if len(values) <= most:
        return list(values)
    edges = [round(i * len(values) / most) for i in range(most + 1)]
    return [math.fsum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Return round numbers (1, 2 or 5 times 10 to some power apart) that cover the range."""
    rough = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1.0, 2.0, 5.0, 10.0) if rough <= m * power * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def line_chart(
    title: str,
    note: str,
    series: Sequence[Series],
    *,
    marks: Sequence[float] = (),
    axis: str = "step",
) -> str:
    """Return a figure with one or more lines over the training step, from zero upwards.

    Args:
        title: What is shown.
        note: What it means, in a sentence.
        series: The lines, drawn in this order.
        marks: Steps at which clustering was done, drawn as hairlines.
        axis: What is counted to the right; a short word.
    """
    lines = [_Line.of(one) for one in series]
    y_ticks = ticks(0.0, max(max(line.peak for line in lines), 1e-6))
    x_ticks = ticks(0.0, max(1.0, *(line.x[-1] for line in lines)))
    x_end = max(1.0, *(line.x[-1] for line in lines))  # the axis ends with the data
    frame = _Frame(x_end=x_end, y_end=y_ticks[-1])
    parts = [
        *(_grid_line(frame, y) for y in y_ticks),
        f'<text class="y" x="{LEFT - 10}" y="{HEIGHT - 9}">{html.escape(axis)}</text>',
        *(_x_label(frame, x) for x in x_ticks if x <= x_end * (1 + 1e-9)),
        *(f'<path class="mark" d="M{frame.x(x):.1f} {TOP}V{HEIGHT - BOTTOM}"/>' for x in marks),
        *(line.drawn(frame, number) for number, line in enumerate(lines)),
    ]
    legend = "".join(
        f'<li class="c{number}"><i></i>{html.escape(line.name)} '
        f"<output>{compact(line.y[-1])}</output></li>"
        for number, line in enumerate(lines)
    )
    numbers = {
        "axis": axis,
        "end": x_end,
        "series": [{"x": line.x, "y": [float(f"{v:.4g}") for v in line.y]} for line in lines],
    }
    return (
        f'<figure class="chart"><figcaption><b>{html.escape(title)}</b> {html.escape(note)}'
        f'<ul class="legend">{legend}</ul></figcaption>'
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-label="{html.escape(title)} over the {html.escape(axis)}s" '
        f"data-numbers='{html.escape(json.dumps(numbers))}'>"
        f'{"".join(parts)}<path class="cursor" d=""/></svg></figure>'
    )


def bars(own: tuple[str, float], baselines: Mapping[str, float]) -> str:
    """Return horizontal bars from 0 to 100 %: our value first, what it must beat below it."""
    rows = [_bar(*own, "own")] + [_bar(name, value, "") for name, value in baselines.items()]
    return f'<table class="bars">{"".join(rows)}</table>'


def compact(value: float) -> str:
    """Return the number with about three significant digits and no needless zeros."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bar(name: str, value: float, kind: str) -> str:
    share = 100 * min(max(value, 0.0), 1.0)
    return (
        f'<tr class="{kind}"><th scope="row">{html.escape(name)}</th>'
        f'<td><span style="width:{share:.2f}%"></span></td><td>{100 * value:.1f}</td></tr>'
    )


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """From numbers to places in the box."""

    x_end: float
    y_end: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_end

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.y_end


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A series, thinned to what can be seen; ``raw`` is empty unless it is smoothed."""

    name: str
    x: list[float]
    y: list[float]
    raw: list[float]
    peak: float

    @classmethod
    def of(cls, series: Series) -> "_Line":
        x, raw = thinned(series.x), thinned(series.y)
        if not series.smooth:
            return cls(name=series.name, x=x, y=raw, raw=[], peak=max(raw))
        y = thinned(smoothed(series.y))
        ordered = sorted(raw)  # one wild step must not flatten all the others
        peak = max(max(y), ordered[int(0.99 * (len(ordered) - 1))])
        return cls(name=series.name, x=x, y=y, raw=raw, peak=peak)

    def drawn(self, frame: _Frame, number: int) -> str:
        dots = ""
        if not self.raw and len(self.x) <= 40:
            dots = "".join(
                f'<circle class="c{number}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>'
                for x, y in zip(self.x, self.y, strict=True)
            )
        raw = ""
        if self.raw:
            raw = f'<path class="raw c{number}" d="{self._path(frame, self.raw)}"/>'
        return f'{raw}<path class="line c{number}" d="{self._path(frame, self.y)}"/>{dots}'

    def _path(self, frame: _Frame, values: Sequence[float]) -> str:
        places = (
            f"{frame.x(x):.1f} {max(frame.y(y), 1.0):.1f}"
            for x, y in zip(self.x, values, strict=True)
        )
        return "M" + "L".join(places)


def _grid_line(frame: _Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="y" x="{LEFT - 6}" y="{y + 4:.1f}">{compact(value)}</text>'
    )


def _x_label(frame: _Frame, value: float) -> str:
    return f'<text class="x" x="{frame.x(value):.1f}" y="{HEIGHT - 9}">{value:,.0f}</text>'
