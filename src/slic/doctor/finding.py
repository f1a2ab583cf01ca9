"""What a check of the installation found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "broken"]
"""A note states a fact; a warning, what may go wrong; broken is what does not work."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: How bad it is.
        name: What was checked, in one or two words.
        text: What was found.
        way_out: What to do about it; empty if nothing is wrong.
    """

    level: Level
    name: str
    text: str
    way_out: str = ""


def gigabytes(count: int | float) -> str:
    """Return a number of bytes in GB, or in MB if it is small."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
