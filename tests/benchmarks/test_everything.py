"""The table of docs/performance.md says what was measured, beside what, and whether it suffices."""

import math
from pathlib import Path

import everything
from targets import Target

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def row(name: str, value: float, bound: float, *, at_least: bool) -> Target:
    return Target(
        name=name, ours="9 clips", peer="3, by hand", value=value, bound=bound, at_least=at_least
    )


def test_a_row_has_value_bound_and_verdict() -> None:
    rows = [
        row("loading", 3.0, 2.0, at_least=True),
        row("memory | peak", 1.125, 1.0, at_least=False),
        row("search", math.nan, 1.0, at_least=True),
    ]
    head, rule, met, missed, absent = everything.table({"any": rows}).splitlines()
    assert (head.count("|"), rule.count("|")) == (6, 6)
    assert met == "| loading | 9 clips | 3, by hand | **3** | ≥ 2: met |"
    assert missed == "| memory / peak | 9 clips | 3, by hand | **1.12** | ≤ 1: missed by 12% |"
    assert absent == "| search | 9 clips | 3, by hand |  | NOT RUN |"


def test_the_page_keeps_its_text_when_the_table_is_written() -> None:
    page = PAGE.read_text("utf-8")
    found = everything.written(page, "new")
    assert found.startswith("# Performance")
    assert found.endswith(page.partition(everything.END)[2])
    assert "new" in found
    assert "loading XviD" not in found
