"""A line chart with two logarithmic axes, as a small SVG file."""

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 170, 34, 44
COLOURS = ("#0b6e99", "#c2571a", "#777777", "#4a8f3c")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600}"
    ".grid{stroke:#ddd}.line{fill:none;stroke-width:2}.guess{stroke-dasharray:5 4}"
)
Line = Sequence[tuple[float, float]]


def write_chart(
    file: Path,
    lines: Mapping[str, Line],
    *,
    title: str,
    x_name: str,
    y_name: str,
    guides: Mapping[str, Line],
) -> None:
    """Draw measured lines with dots and dashed guides; names are at their right ends."""
    every = [point for line in (*lines.values(), *guides.values()) for point in line]
    x_low, x_high = (f(math.log10(x) for x, _ in every) for f in (min, max))
    y_low = math.floor(min(math.log10(y) for _, y in every))
    y_high = math.ceil(max(math.log10(y) for _, y in every))

    def place(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return (
            round(LEFT + right * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    left, right = 10.0**x_low, 10.0**x_high
    parts = [f'<text class="title" x="{LEFT}" y="20">{html.escape(title)}</text>']
    for power in range(y_low, y_high + 1):
        (x, y), (end, _) = place(left, 10.0**power), place(right, 10.0**power)
        parts.append(f'<path class="grid" d="M{x} {y}H{end}"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{10.0**power:,g}</text>')
    for count in sorted({x for line in lines.values() for x, _ in line}):
        x, y = place(count, 10.0**y_low)
        parts.append(f'<path class="grid" d="M{x} {y}V{TOP}"/>')
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{count / 1000:,g}k</text>')
    x, y = place((left * right) ** 0.5, 10.0**y_low)
    parts.append(f'<text x="{x}" y="{y + 37}" text-anchor="middle">{html.escape(x_name)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(y_name)}</text>"
    )
    colours = (*COLOURS[: len(lines)], *["#999999"] * len(guides))
    for (name, line), colour in zip((*lines.items(), *guides.items()), colours, strict=True):
        parts += _drawn(name, [place(*point) for point in line], colour, guide=name in guides)
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f'<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _drawn(
    name: str, points: Sequence[tuple[float, float]], colour: str, *, guide: bool
) -> list[str]:
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    x, y = points[-1]
    parts = [
        f'<path class="line{" guess" if guide else ""}" stroke="{colour}" d="{path}"/>',
        f'<text x="{x + 10}" y="{y + 4}" style="fill:{colour}">{html.escape(name)}</text>',
    ]
    dots = (
        [] if guide else [f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in points]
    )
    return parts + dots
