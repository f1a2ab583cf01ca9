"""Scanning a collection with an engine."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from slic.engines.base import Engine
from slic.engines.paths import folders_for_others, path_for_others
from slic.videos.scanning import Found, Scanner, Verdict, judge
from slic.videos.video import Video


def scanner_of(engine: Engine, folder: Path, *, progress: bool = True) -> Scanner:
    """Return a function that scans with an engine, for `slic.videos.catalog.Catalog`.

    Args:
        engine: The engine, in its context.
        folder: Folder of the videos.
        progress: Show a progress bar.
    """
    return partial(_scan, engine, folder, progress)


def _scan(
    engine: Engine, folder: Path, progress: bool, found: Sequence[Found]
) -> Iterator[Verdict]:
    engine.check_folders(folders_for_others(folder))
    path_of = {thing.id: thing.path for thing in found}
    things = [replace(thing, path=path_for_others(thing.path)) for thing in found]
    verdicts = engine.map(judge, things, stage="scan")
    bar = tqdm(verdicts, total=len(found), desc="scanning", unit="video", disable=not progress)
    for verdict in bar:
        yield _as_here(verdict, path_of[verdict.found.id])


def _as_here(verdict: Verdict, path: Path) -> Verdict:
    """Return a verdict with the path as it was given."""
    outcome = verdict.outcome
    if isinstance(outcome, Video):
        outcome = replace(outcome, path=path)
    return replace(verdict, found=replace(verdict.found, path=path), outcome=outcome)
