"""What several verbs share: arguments, catalogs, and one line to stderr."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from slic.videos.catalog import Catalog


Verbs: TypeAlias = "_SubParsersAction[ArgumentParser]"


def videos_argument(verb: ArgumentParser) -> None:
    """Ask for the collection."""
    verb.add_argument("videos", type=Path, help="folder of videos, or a CSV or Parquet list")


def encoder_argument(verb: ArgumentParser) -> None:
    """Ask for the encoder and the number of workers that feed it."""
    verb.add_argument("--encoder", type=Path, required=True, help="folder that a run wrote")
    verb.add_argument(
        "--workers", type=at_least(0), default=2, help="processes that decode (default 2)"
    )


def at_least(least: int) -> Callable[[str], int]:
    """Return a converter for whole numbers that are not below ``least``."""

    def number(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise ArgumentTypeError(f"{word!r} is not a whole number of at least {least}")
        return int(word)

    return number


def open_catalog(videos: Path, workers: int | None) -> "Catalog":
    """Scan a folder, or read a list."""
    from slic.videos.catalog import Catalog

    if videos.suffix.lower() in (".csv", ".parquet"):
        return Catalog.from_list(videos, workers=workers)
    return Catalog.from_folder(videos, workers=workers)


def print_refused(catalog: "Catalog", file: TextIO | None = None) -> None:
    """Name every file that was set aside, and why."""
    for refused in catalog.refused:
        print(f"refused: {refused.id}: {refused.reason}", file=file or sys.stdout)


def said(message: str, code: int) -> int:
    """Print one line to stderr; return the exit code, for ``sys.exit``."""
    print(f"slic: {message}", file=sys.stderr)
    return code
