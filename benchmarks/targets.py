"""Targets: a figure of ours beside that of a peer, and a verdict.

Every benchmark takes ``--targets FILE`` and appends one line of JSON for each of its targets;
``benchmarks/everything.py`` (``make bench``) gathers them into the table of docs/performance.md.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Our figure against that of a peer, a bound or an earlier version in the same run.

    Attributes:
        name: What is measured, such as ``"loading, XviD"``.
        ours: Our figure with its unit, such as ``"58.0 samples/CPU-s"``.
        peer: What it is compared with, such as ``"13.6, JPEG frames through PIL"``.
        value: What the target is about, often the ratio of the two; NaN when the peer did not run.
        bound: Where the target lies.
        at_least: Whether the value has to reach the bound, or to stay under it.
    """

    name: str
    ours: str
    peer: str
    value: float
    bound: float
    at_least: bool

    @property
    def ran(self) -> bool:
        """Return whether the peer ran."""
        return not math.isnan(self.value)

    @property
    def met(self) -> bool:
        """Return whether the value satisfies its bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def verdict(self) -> str:
        """Return the verdict, with the relative difference if the bound is missed."""
        if not self.ran:
            return "NOT RUN"
        return "met" if self.met else f"missed by {abs(self.value / self.bound - 1):.0%}"


def append(targets: list[Target], file: Path | None) -> None:
    """Append the targets to a file of JSON lines. Do nothing without a file."""
    if file is not None:
        with file.open("a") as lines:
            lines.writelines(json.dumps(asdict(target)) + "\n" for target in targets)


def read(file: Path) -> list[Target]:
    """Return the targets that ``append`` wrote."""
    return [Target(**json.loads(line)) for line in file.read_text().splitlines()]


def not_run(name: str, reason: str) -> Target:
    """Return the target of a peer that could not run."""
    peer = f"could not run: {reason}"
    return Target(name=name, ours="", peer=peer, value=math.nan, bound=math.nan, at_least=True)


def importable(peers: Mapping[str, Callable[[], T]]) -> tuple[dict[str, T], dict[str, str]]:
    """Build the peers whose packages import. Return and print the reason for the others."""
    made, missing = dict[str, T](), dict[str, str]()
    for name, make in peers.items():
        try:
            made[name] = make()
        except (ImportError, OSError, RuntimeError) as error:
            missing[name] = str(error).strip().partition("\n")[0]
            print(f"{name} could not run: {missing[name]}", flush=True)
    return made, missing
