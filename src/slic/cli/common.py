"""Inputs, outputs and messages that several verbs share."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.datasets import labels_from
from slic.errors import SlicError
from slic.files import write_atomically

if TYPE_CHECKING:
    from typing import TextIO

    from slic.datasets import Labels
    from slic.models.encoder import VideoEncoder
    from slic.search import Index
    from slic.videos.catalog import Catalog
    from slic.videos.video import Refused


class UsageError(Exception):
    """Arguments that exclude each other. The command prints the usage and exits with 2."""


def open_catalog(videos: Path, workers: int | None) -> "Catalog":
    """Scan a folder or the files of a list.

    Args:
        videos: A folder, or a list in CSV or Parquet format.
        workers: Number of processes that scan; None for one on each core.
    """
    from slic.videos.catalog import Catalog

    read = Catalog.from_list if _is_list(videos) else Catalog.from_folder
    return read(videos, workers=workers)


def open_labelled(
    videos: Path, *, labels: str, annotations: Path | None, workers: int | None
) -> tuple["Catalog", "Labels"]:
    """Open videos and their labels, and print to stderr how the two differ.

    Args:
        videos: A folder or a list.
        labels: Source of the labels; see `slic.datasets.labels_from`.
        annotations: Folder of the official lists; None to search in and beside the videos.
        workers: Number of processes that scan; None for one on each core.
    """
    root = videos.parent if _is_list(videos) else videos
    labeller = labels_from(labels, root=root, annotations=annotations)
    catalog = open_catalog(videos, workers)
    ids = [video.id for video in catalog]
    found = labeller(ids)
    if is_main_process() and (mismatch := found.describe_mismatch(ids)):
        print(f"slic: {labels}: {mismatch}", file=sys.stderr)
    return catalog, found


def _is_list(videos: Path) -> bool:
    return videos.suffix.lower() in (".csv", ".parquet", ".pq")


def is_main_process() -> bool:
    """Return whether this is the process of a distributed run that prints."""
    return int(os.environ.get("RANK", "0")) == 0


def load_encoder(folder: Path) -> "VideoEncoder":
    """Load an encoder, onto the GPU if there is one."""
    import torch

    from slic.models.encoder import VideoEncoder

    encoder = VideoEncoder.from_pretrained(folder)
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")


def open_index(folder: Path) -> "Index":
    """Open the index in a folder."""
    from slic.search import Index

    return Index.open(folder)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write a JSON file, if a path is given. Values that JSON does not know become text."""
    if path:
        write_atomically(path, json.dumps(figures, indent=2, default=str).encode())


def require_file_paths(*outputs: Path | None) -> None:
    """Raise a SlicError if an output path is a folder, so that it fails before the work."""
    for output in outputs:
        if output and output.is_dir():
            raise SlicError(f"{output}: is a folder; give the name of a file to write.")


@contextmanager
def feature_cache(cache: Path | None, output: Path | None) -> Iterator[Path | None]:
    """Yield the folder in which features are kept, so that an interrupted command can continue.

    Args:
        cache: Folder that the user chose; it is kept.
        output: File that the command writes. Without ``cache``, features are kept in a hidden
            folder beside it, which is removed when the command succeeds.

    Raises:
        SlicError: ``output`` is a folder.
    """
    require_file_paths(output)
    if cache or not output:
        yield cache
        return
    beside = output.with_name(f".{output.name}.features")
    yield beside
    shutil.rmtree(beside, ignore_errors=True)


def print_refused(refusals: "Iterable[Refused]", file: "TextIO | None" = None) -> None:
    """Print the id of each refused file and the reason, to stdout or to ``file``."""
    for refused in refusals:
        print(printable(f"refused: {refused.id}: {refused.reason}"), file=file or sys.stdout)


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


def print_error(message: str, exit_code: int) -> int:
    """Print a message to stderr as one line and return ``exit_code``, for ``sys.exit``."""
    print(f"slic: {printable(message)}", file=sys.stderr)
    return exit_code


def keep_freed_memory() -> None:
    """Let the process keep freed memory for later allocations, if it runs on glibc.

    By default glibc returns large blocks to the system, and each training step faults their pages
    in again: 5 to 10 % of the CPU time of training on a CPU (docs/performance.md). It changes the
    whole process, so only the command calls it, not the library.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1  # as in malloc.h
        mallopt(mmap_threshold, 32 * 2**20)  # bytes; the largest value that glibc accepts
        mallopt(trim_threshold, 2**31 - 1)
