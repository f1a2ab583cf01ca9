"""Lines with their spread, as an SVG that needs no library."""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean, stdev
from typing import TypeVar

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 46, 250, 34, 38
# Okabe and Ito's colours, which colour-blind readers tell apart; the second round is dashed
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")

PlaceT = TypeVar("PlaceT", int, float)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: means in percent at rising places, and their standard deviations."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float]


def line_of(name: str, values: Mapping[PlaceT, Sequence[float]]) -> Line:
    """Return mean and standard deviation of the values, in percent, at every place."""
    places = sorted(values)
    return Line(
        name=name,
        x=places,
        y=[mean(values[x]) for x in places],
        spread=[stdev(values[x]) if len(values[x]) > 1 else 0.0 for x in places],
    )


def plot(
    title: str,
    lines: Sequence[Line],
    *,
    axis: str,
    logarithmic: bool = False,
    highest: int = 100,
) -> str:
    """Return the picture; the upright axis goes from 0 to ``highest`` percent."""
    places = sorted({x for line in lines for x in line.x})
    across = _scale(places[0], places[-1], logarithmic=logarithmic)
    up = partial(_up, highest=highest)
    parts = [
        f'<text x="{LEFT}" y="20" font-weight="bold">{html.escape(title)}</text>',
        *(_row(percent, up(percent)) for percent in range(0, highest + 1, highest // 5)),
        *(_mark(across(x), f"{x:g}") for x in _few(places)),
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(axis)}</text>',
        *(_drawn(line, number, across, up) for number, line in enumerate(lines)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def grid(pictures: Sequence[str], *, columns: int = 2) -> str:
    """Return one picture of several pictures of `plot`, row by row."""
    placed = (
        picture.replace(
            "<svg ",
            f'<svg x="{WIDTH * (number % columns)}" y="{HEIGHT * (number // columns)}" '
            f'width="{WIDTH}" height="{HEIGHT}" ',
            1,
        )
        for number, picture in enumerate(pictures)
    )
    rows = -(-len(pictures) // columns)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {WIDTH * columns} {HEIGHT * rows}">\n{"".join(placed)}</svg>\n'
    )


def _scale(low: float, high: float, *, logarithmic: bool) -> Callable[[float], float]:
    bend: Callable[[float], float] = math.log if logarithmic else float
    start, length = bend(low), (bend(high) - bend(low)) or 1.0
    return lambda x: LEFT + (WIDTH - LEFT - RIGHT) * (bend(x) - start) / length


def _up(percent: float, *, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(percent / highest, 0.0), 1.0)


def _few(places: Sequence[float], most: int = 9) -> Sequence[float]:
    return places[:: -(-len(places) // most)]


def _row(percent: int, y: float) -> str:
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent}</text>'
    )


def _mark(x: float, word: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{word}</text>'


def _drawn(
    line: Line, number: int, across: Callable[[float], float], up: Callable[[float], float]
) -> str:
    """Return a line with its band, and its name beside the plot."""
    colour = COLOURS[number % len(COLOURS)]
    dash = ' stroke-dasharray="5 3"' if number // len(COLOURS) % 2 else ""
    x = [across(place) for place in line.x]
    upper = [(a, up(y + s)) for a, y, s in zip(x, line.y, line.spread, strict=True)]
    lower = [(a, up(y - s)) for a, y, s in zip(x, line.y, line.spread, strict=True)]
    middle = [(a, up(y)) for a, y in zip(x, line.y, strict=True)]
    key = TOP + 8 + 17 * number
    return (
        f'<path d="{_path([*upper, *reversed(lower)])}Z" fill="{colour}" opacity=".13"/>'
        f'<path d="{_path(middle)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        + "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}"/>' for a, b in middle)
        + f'<path d="M{WIDTH - RIGHT + 12} {key}h20" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<text x="{WIDTH - RIGHT + 38}" y="{key + 4}">{html.escape(line.name)} '
        f"({line.y[-1]:.0f})</text>"
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
