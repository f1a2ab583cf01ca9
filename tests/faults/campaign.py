"""How often a test of the fault campaign tries, and a record of what it saw.

``python -m tests.faults.campaign`` prints the record as the table of docs/reliability.md.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

RECORD: Final = Path(__file__).parents[2] / "soak.jsonl"


@dataclass(frozen=True)
class Campaign:
    """The campaign of one test.

    Attributes:
        test: Name of the test.
        soak: Whether this is the long campaign (`make soak`), not the quick part in `make test`.
    """

    test: str
    soak: bool

    def trials(self, *, quick: int, soak: int) -> int:
        """Return how often to try; a test that is never tried is skipped."""
        self.leave_to_soak(unless=quick > 0)
        return soak if self.soak else quick

    def leave_to_soak(self, *, unless: bool = False) -> None:
        """Skip the test where this is not the long campaign."""
        if not (self.soak or unless):
            pytest.skip("only in make soak")

    def record(self, fault: str, *, tried: int, survived: int, note: str = "") -> None:
        """Append a line to `soak.jsonl`, which docs/reliability.md quotes; only in the long run."""
        if self.soak:
            row = {"test": self.test, "fault": fault, "tried": tried, "survived": survived}
            with RECORD.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row | ({"note": note} if note else {})) + "\n")


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """Return the campaign of this test."""
    test = request.node.nodeid.split("[")[0]
    return Campaign(test, soak=request.config.getoption("--soak"))


def table(records: Iterable[str]) -> Iterator[str]:
    """Return the lines of a table: a row for each kind of fault of a test.

    A fault is named ``kind`` or ``kind: case``. The last record of each counts.
    """
    last = {(row["test"], row["fault"]): row for row in map(json.loads, records)}
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (test, fault), row in last.items():
        kinds.setdefault((test, fault.partition(":")[0]), []).append(row)
    yield "| what was tried | tried | survived | test |"
    yield "|---|---|---|---|"
    for (test, kind), rows in sorted(kinds.items()):
        tried, survived = (sum(row[name] for row in rows) for name in ("tried", "survived"))
        text = f"{kind}, {len(rows)} cases"
        if len(rows) == 1:
            text = "; ".join(filter(None, (rows[0]["fault"], rows[0].get("note"))))
        yield f"| {text} | {tried:,} | {survived:,} | `{test}` |"


if __name__ == "__main__":
    print("\n".join(table(RECORD.read_text(encoding="utf-8").splitlines())))
