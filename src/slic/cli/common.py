"""What several verbs share: arguments, catalogs, memory, and one line to stderr."""

import os
import shlex
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from slic.errors import SlicError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from slic.datasets import Labels
    from slic.models.encoder import VideoEncoder
    from slic.videos.catalog import Catalog
    from slic.videos.video import Refused


class UsageError(Exception):
    """Arguments that do not go together; the command says so like argparse, with exit code 2."""


MOST = 2**31 - 1  # that anybody has of anything
Verbs: TypeAlias = "_SubParsersAction[ArgumentParser]"


def videos_argument(verb: ArgumentParser) -> None:
    """Ask for the collection."""
    verb.add_argument("videos", type=Path, help="folder of videos, or a CSV or Parquet list")


def encoder_argument(verb: ArgumentParser) -> None:
    """Ask for the encoder and the number of workers that feed it."""
    verb.add_argument("--encoder", type=Path, required=True, help="folder that a run wrote")
    workers_argument(verb)


def workers_argument(verb: ArgumentParser) -> None:
    """Ask for the number of workers that feed an encoder."""
    verb.add_argument(
        "--workers", type=at_least(0), default=2, help="processes that decode (default 2)"
    )


def labels_argument(verb: ArgumentParser, *, required: bool, use: str = "") -> None:
    """Ask for the labels; ``use`` says what for."""
    verb.add_argument(
        "--labels",
        required=required,
        metavar="SOURCE",
        help=f"CSV path,label[,split], ucf101:1, hmdb51:1, kinetics400 or tree{use}",
    )
    annotations_argument(verb)


def annotations_argument(verb: ArgumentParser) -> None:
    """Ask for the folder of a benchmark's official lists."""
    verb.add_argument(
        "--annotations",
        type=Path,
        metavar="DIR",
        help="folder of the official lists, when it is not in or beside the videos' folder",
    )


def cache_argument(verb: ArgumentParser) -> None:
    """Ask for the folder of features."""
    verb.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep features here, for later commands too (default: beside the output until it is "
        "written, so that a killed command goes on)",
    )


def at_least(least: int) -> Callable[[str], int]:
    """Return a converter for whole numbers that are not below ``least``, nor above ``MOST``."""

    def number(word: str) -> int:
        if not word.isdecimal() or not least <= int(word) <= MOST:
            raise ArgumentTypeError(f"{word!r} is not a whole number from {least} to {MOST}")
        return int(word)

    return number


def open_catalog(videos: Path, workers: int | None) -> "Catalog":
    """Scan a folder, or read a list."""
    from slic.videos.catalog import Catalog

    if _is_list(videos):
        return Catalog.from_list(videos, workers=workers)
    return Catalog.from_folder(videos, workers=workers)


def open_labelled(
    videos: Path, *, labels: str, annotations: Path | None, workers: int | None
) -> tuple["Catalog", "Labels"]:
    """Open a collection and its labels; say on stderr what the one has and the other lacks."""
    from slic.datasets import labels_from

    root = videos.parent if _is_list(videos) else videos
    labeller = labels_from(labels, root=root, annotations=annotations)
    catalog = open_catalog(videos, workers)
    ids = [video.id for video in catalog]
    table = labeller(ids)
    if is_main_process() and (gaps := table.gaps(ids)):
        print(f"slic: {labels}: {gaps}", file=sys.stderr)
    return catalog, table


def _is_list(videos: Path) -> bool:
    return videos.suffix.lower() in (".csv", ".parquet", ".pq")


def is_main_process() -> bool:
    """Tell whether this process is the one that speaks, of those of a run."""
    return int(os.environ.get("RANK", "0")) == 0


def load_encoder(folder: Path) -> "VideoEncoder":
    """Read an encoder and put it on the GPU where there is one."""
    import torch

    from slic.models.encoder import VideoEncoder

    encoder = VideoEncoder.from_pretrained(folder)
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")


def refuse_folders(*outputs: Path | None) -> None:
    """Raise a SlicError where an output is a folder: said before the work, not after it."""
    for output in outputs:
        if output and output.is_dir():
            raise SlicError(f"{output}: is a folder; give the name of a file to write.")


@contextmanager
def features_kept(cache: Path | None, output: Path | None) -> Iterator[Path | None]:
    """Give the folder that features are kept in, so that a killed command goes on where it was.

    That is ``cache``; or one beside the output, removed when the command succeeded; or none.

    Raises:
        SlicError: See `refuse_folders`.
    """
    refuse_folders(output)
    if cache or not output:
        yield cache
        return
    beside = output.with_name(f".{output.name}.features")
    yield beside
    shutil.rmtree(beside, ignore_errors=True)


def print_refused(refusals: "Iterable[Refused]", file: TextIO | None = None) -> None:
    """Name every file that was set aside, and why."""
    for refused in refusals:
        print(printable(f"refused: {refused.id}: {refused.reason}"), file=file or sys.stdout)


def say_next(*words: object) -> None:
    """Print the command that a user is likely to type next; capitals stand for what is theirs."""
    print("next:", command(*words))


def command(*words: object) -> str:
    """Return a command of ours as a user can type it."""
    return shlex.join(["slic", *map(str, words)])


def printable(text: str) -> str:
    """Return a file's name without the characters that would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def print_table(table: str) -> None:
    """Print lines in which labels stand, which may have any characters."""
    print("\n".join(map(printable, table.splitlines())))


def said(message: str, code: int) -> int:
    """Print one line to stderr; return the exit code, for ``sys.exit``."""
    print(f"slic: {printable(message)}", file=sys.stderr)
    return code


def keep_freed_memory() -> None:
    """Have the process keep what it frees for what it needs next, where it runs on glibc.

    Without it every step asks the system for its tensors again, page by page: 5 to 10 % of the
    CPU time of training on a CPU (docs/performance.md). For verbs that own their process, not for a
    library.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1  # as malloc.h has them
        mallopt(mmap_threshold, 32 * 2**20)  # bytes; the most that glibc takes
        mallopt(trim_threshold, 2**31 - 1)
