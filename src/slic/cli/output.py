"""What verbs print and write: errors, next steps, tables and JSON files."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from slic.files import write_atomically

if TYPE_CHECKING:
    from typing import TextIO

    from slic.videos.video import Refused


def print_refused(refusals: "Iterable[Refused]", file: "TextIO | None" = None) -> None:
    """Print the id of each refused file and the reason, to stderr or to ``file``."""
    for refused in refusals:
        print(printable(f"refused: {refused.id}: {refused.reason}"), file=file or sys.stderr)


def print_next_command(*words: object) -> None:
    """Print a ``slic`` command that is a likely next step.

    Args:
        *words: Words of the command; words in capitals are for the user to replace.
    """
    print("next:", format_command(*words))


def format_command(*words: object) -> str:
    """Return a ``slic`` command, quoted for a shell."""
    return shlex.join(["slic", *map(str, words)])


def printable(text: str) -> str:
    """Replace characters that could control the terminal, such as those in a file name."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def print_table(table: str) -> None:
    """Print lines with labels or file names; see `printable`."""
    print("\n".join(map(printable, table.splitlines())))


def exit_with_error(message: str, exit_code: int) -> NoReturn:
    """Print a message to stderr as one line, and end the command."""
    print(f"slic: {printable(message)}", file=sys.stderr)
    sys.exit(exit_code)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write a JSON file, if a path is given. Values that JSON does not know become text."""
    if path:
        write_atomically(path, json.dumps(figures, indent=2, default=str).encode())
