"""Inputs that several verbs share: videos, labels, encoders, an index, a cache."""

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slic.cli.output import exit_with_error
from slic.datasets import labels_from
from slic.errors import RecipeError, SlicError
from slic.signals import exit_code
from slic.storage import location

if TYPE_CHECKING:
    from slic.datasets import Labels
    from slic.engines import Engine
    from slic.models.encoder import VideoEncoder
    from slic.recipe import Recipe
    from slic.search import Index
    from slic.videos.catalog import Catalog


class UsageError(Exception):
    """Arguments that exclude each other. The command prints the usage and exits with 2."""


def open_catalog(videos: Path, workers: int | None, engine: "Engine | None" = None) -> "Catalog":
    """Scan a folder or the files of a list.

    Args:
        videos: A folder, or a list in CSV or Parquet format; either may have an address.
        workers: Number of processes that scan; None for one on each core.
        engine: What scans, in its context; None for this machine.
    """
    from slic.videos.catalog import Catalog

    scanner = None
    if engine is not None:
        from slic.engines import scanner_of

        scanner = scanner_of(engine, videos.parent if _is_list(videos) else videos)

    read = Catalog.from_list if _is_list(location(videos)) else Catalog.from_folder
    return read(location(videos), workers=workers, scanner=scanner)


def open_labelled(
    arguments: Namespace, *, workers: int | None, quiet: bool = False
) -> tuple["Catalog", "Labels"]:
    """Open videos and their labels, and print to stderr how the two differ.

    Args:
        arguments: With ``videos``, a folder or a list, and with what `CommandParser.add_labels`
            adds.
        workers: Number of processes that scan; None for one on each core.
        quiet: Print nothing.
    """
    videos, source = arguments.videos, arguments.labels
    videos = location(videos)
    root = videos.parent if _is_list(videos) else videos
    labeller = labels_from(source, root=root, annotations=arguments.annotations)
    catalog = open_catalog(videos, workers)
    ids = [video.id for video in catalog]
    found = labeller(ids)
    if not quiet and (mismatch := found.describe_mismatch(ids)):
        print(f"slic: {source}: {mismatch}", file=sys.stderr)
    return catalog, found


def _is_list(videos: Path) -> bool:
    return videos.suffix.lower() in (".csv", ".parquet", ".pq")


def load_encoder(source: str | Path) -> "VideoEncoder":
    """Open an encoder, see `slic.models.sources.open_encoder`, onto the GPU if there is one."""
    import torch

    from slic.models.sources import open_encoder

    encoder = open_encoder(source)
    return encoder.to("cuda" if torch.cuda.is_available() else "cpu")


def check_settings(words: Sequence[str]) -> None:
    """Raise a UsageError if a word is no setting, or a setting is given twice."""
    from slic.recipe import default_recipe

    try:
        default_recipe(words)
    except RecipeError as error:
        raise UsageError(str(error)) from error
    keys = [word.partition("=")[0] for word in words if word.startswith("--")]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UsageError(f"{twice[0]} is given more than once.")


def recipe_of(source: "str | Path", words: Sequence[str]) -> "Recipe":
    """Return a recipe changed by the settings of a command.

    Args:
        source: Name or file of the recipe.
        words: Settings such as ``--train.epochs=100``.

    Raises:
        UsageError: A word is no setting, or a setting is given twice.
        RecipeError: A setting has an impossible value.
    """
    from slic.arguments import UnknownSettingError
    from slic.recipe import load_recipe

    check_settings(words)
    keys = {word.partition("=")[0] for word in words}
    try:
        return load_recipe(source, words)
    except UnknownSettingError as error:
        if f"--{error.key}" in keys:
            raise UsageError(str(error)) from error
        raise  # it is in the file


def open_index(folder: Path) -> "Index":
    """Open the index in a folder."""
    from slic.search import Index

    return Index.open(folder)


def print_absent_folders(index: "Index") -> None:
    """Say on stderr which folders of videos of an index are not there, and how to name another."""
    from slic.search.about import notes_on_absent_folders

    for note in notes_on_absent_folders(index, index.path):
        print(f"slic: {note}", file=sys.stderr)


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
        SystemExit: After Ctrl-C, if nothing is kept.
    """
    require_file_paths(output)
    if cache:
        yield cache
        return
    if not output:
        try:
            yield None
        except KeyboardInterrupt as stop:
            text = "stopped. The same command starts again; with --cache DIR it would continue."
            exit_with_error(text, exit_code(stop))
        return
    beside = output.with_name(f".{output.name}.features")
    yield beside
    shutil.rmtree(beside, ignore_errors=True)


def keep_freed_memory() -> None:
    """Let the process keep freed memory for later allocations, if it runs on glibc.

    By default glibc returns large blocks to the system, and each training step faults their pages
    in again: 5 to 10 % of the CPU time of training on a CPU (benchmarks/notes.md). It changes the
    whole process, so only the command calls it, not the library.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1  # as in malloc.h
        mallopt(mmap_threshold, 32 * 2**20)  # bytes; the largest value that glibc accepts
        mallopt(trim_threshold, 2**31 - 1)
