"""How often a test of the fault campaign tries, and a record of what it saw."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
        """Return how often to try."""
        return soak if self.soak else quick

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
