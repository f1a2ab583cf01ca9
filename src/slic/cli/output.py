"""What verbs print and write: errors, next steps, tables and JSON files."""

import json
import math
import re
import shlex
import sys
import unicodedata
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
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
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_harmless(character: str) -> bool:
    """Return whether a character is printable, a blank, or joins the letters of some scripts."""
    return (
        character.isprintable()
        or character in "\u200c\u200d"
        or unicodedata.category(character) == "Zs"
    )


class _HarmlessStream:
    """A stream of text on which nothing but lines, tabs and progress bars control the terminal."""

    def __init__(self, stream: "TextIO") -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, but see `printable`."""
        harmless = text
        if not _MOVES_OF_A_BAR.fullmatch(text):
            parts = re.split("([\n\t]|^\r)", _COLOUR.sub("", text))
            harmless = "".join(p if p in _KEPT else printable(p) for p in parts)
        self._stream.write(harmless)
        return len(text)


_KEPT = ("", "\n", "\t", "\r")
_MOVES_OF_A_BAR = re.compile("(?:\n|\r|\x1b\\[A)+")  # what tqdm writes alone
_COLOUR = re.compile("\x1b\\[[0-9;]*m")  # of trackers


@contextmanager
def harmless_output() -> Iterator[None]:
    """Let nothing that is printed control the terminal: file names, labels, logs of libraries.

    Labels and paths may be somebody else's. JSON stays as it is: it has no such characters.
    """
    out: Any = _HarmlessStream(sys.stdout)
    err: Any = _HarmlessStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield


def print_table(table: str) -> None:
    """Print lines with labels or file names; see `printable`."""
    print("\n".join(map(printable, table.splitlines())))


MAX_ERROR_CHARACTERS = 3000
STDOUT = Path("-")
"""The value of a ``--json`` that takes a file, where it is given without one."""


def print_result(
    arguments: Namespace,
    document: Mapping[str, Any],
    *lines: str,
    next_words: Sequence[object] = (),
) -> None:
    """Print the result of a verb: a JSON document with ``--json``, else lines of text.

    Args:
        arguments: With ``json``, the switch that `CommandParser.add_json` adds.
        document: The result for programs.
        *lines: The result for people.
        next_words: Words of the command that is a likely next step.
    """
    if not arguments.json:
        print(*lines, sep="\n")
        if next_words:
            print_next_command(*next_words)
        return
    step = {"next": format_command(*next_words)} if next_words else {}
    print_json({**document, **step})


def print_json(document: Any) -> None:
    """Print one JSON document to stdout; see `as_json`."""
    print(as_json(document))


def as_json(document: Any) -> str:
    """Return a document as JSON. NaN and infinity become null; paths and other objects, text."""
    return json.dumps(_plain(document), indent=1, default=str)


def _plain(value: Any) -> Any:
    """Replace numbers that JSON does not have, and the numbers and arrays of NumPy."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@contextmanager
def json_writer(path: Path | None) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Give a function that writes figures as JSON: to a file, to stdout, or nowhere.

    Args:
        path: The file, or ``STDOUT``. With the latter, all other text goes to stderr, also what
            experiment trackers and protocols of the user print.
    """
    stdout = sys.stdout

    def write(figures: Mapping[str, Any]) -> None:
        if path == STDOUT:
            print(as_json(figures), file=stdout)
        elif path:
            write_atomically(path, as_json(figures).encode())

    with redirect_stdout(sys.stderr) if path == STDOUT else nullcontext():
        yield write


def exit_with_error(message: str, exit_code: int) -> NoReturn:
    """Print a message to stderr as one line, and end the command.

    Of a message that quotes a very long cell or name, the middle is left out.
    """
    text = printable(message)
    if len(text) > MAX_ERROR_CHARACTERS:
        text = f"{text[: MAX_ERROR_CHARACTERS // 2]} ... {text[-MAX_ERROR_CHARACTERS // 2 :]}"
    print(f"slic: {text}", file=sys.stderr)
    sys.exit(exit_code)
