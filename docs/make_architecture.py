"""Draw docs/images/architecture.svg from the import contracts in pyproject.toml.

    python docs/make_architecture.py

A row is a layer of the first contract, a box is a package or module, and its text is the first
sentence of its docstring. Run this again after a change of the contracts; a test compares.
"""

import ast
import html
import textwrap
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
WIDTH, LEFT, GAP, ROW_HEIGHT, BOX_HEIGHT, TOP = 1040, 20, 12, 84, 72, 42
MAX_LINES = 3
CHARACTER = 6.8  # mean width in pixels
MARKS = {"ground-truth": "#c2571a"}  # contracts whose packages get a coloured edge
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.name{font-weight:600;font-size:14px;fill:#111}"
    ".title{font-weight:600;font-size:15px}.box{fill:#f3f7fa;stroke:#0b6e99}"
    ".rule{stroke:#bbb}"
)


def contracts() -> list[dict[str, Any]]:
    """Return the import contracts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def summary(module: str) -> str:
    """Return the first line of the docstring of a module of the package."""
    path = ROOT / "src" / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return text.partition("\n")[0].partition(". ")[0].rstrip(".").replace("`", "")


def draw() -> str:
    """Return the picture as SVG."""
    layered, *others = contracts()
    rows = [[name.strip() for name in layer.split("|")] for layer in layered["layers"][1:]]
    marked = {c["id"]: c for c in others if c["id"] in MARKS}
    parts = [
        f'<text class="title" x="{LEFT}" y="26">A package imports only from rows below its own'
        "</text>"
    ]
    for number, row in enumerate(rows):
        width = (WIDTH - 2 * LEFT - GAP * (len(row) - 1)) / len(row)
        for place, module in enumerate(row):
            x, y = LEFT + place * (width + GAP), TOP + number * ROW_HEIGHT
            parts += box(module, x, y, width, marked)
    y = TOP + len(rows) * ROW_HEIGHT + 10
    for contract in others:
        colour = MARKS.get(contract["id"], "#777")
        text = f"{contract['name']}: " + ", ".join(
            short(name) for name in contract["source_modules"]
        )
        text += " do not import " + ", ".join(short(n) for n in contract["forbidden_modules"])
        for line in textwrap.wrap(text, 150):
            parts.append(
                f'<text x="{LEFT}" y="{y}" style="fill:{colour}">{html.escape(line)}</text>'
            )
            y += 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">\n'
        f'<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def box(
    module: str, x: float, y: float, width: float, marked: dict[str, dict[str, Any]]
) -> list[str]:
    """Return a box with name and summary, and the edge of its contract."""
    parts = [
        f'<rect class="box" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="5"/>'
    ]
    for name, contract in marked.items():
        if module in contract["source_modules"]:
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="5" height="{BOX_HEIGHT}" fill="{MARKS[name]}"/>'
            )
        if module in contract["forbidden_modules"]:
            parts.append(
                f'<rect x="{x + 3:.1f}" y="{y + 3}" width="{width - 6:.1f}" '
                f'height="{BOX_HEIGHT - 6}" rx="4" fill="none" stroke="{MARKS[name]}" '
                'stroke-dasharray="5 3"/>'
            )
    parts.append(f'<text class="name" x="{x + 12:.1f}" y="{y + 19}">{short(module)}</text>')
    lines = textwrap.wrap(summary(module), int((width - 20) / CHARACTER))
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], lines[MAX_LINES - 1].rstrip(",;:") + " ..."]
    parts += [
        f'<text x="{x + 12:.1f}" y="{y + 36 + 14 * k}">{html.escape(line)}</text>'
        for k, line in enumerate(lines)
    ]
    return parts


def short(module: str) -> str:
    """Return a module's name without the package."""
    return module.removeprefix("slic.")


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
