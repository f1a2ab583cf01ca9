"""Write a drawn set: videos, ``labels.csv`` as the sample has it, and a mark with its settings."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from slic.errors import CatalogError
from slic.files import atomic_path, write_atomically
from slic.videos.encoding import Encoding, write_video

Frame = UInt8[np.ndarray, "h w 3"]
PARTS = ("train", "test")


class Planned(NamedTuple):
    """One video to come.

    Attributes:
        row: Its line of ``labels.csv``; ``path`` is relative to the folder.
        encoding: Container and codec.
        fps: Frames per second.
        draw: Returns its RGB frames.
    """

    row: dict[str, str]
    encoding: Encoding
    fps: Fraction
    draw: Callable[[], Iterator[Frame]]


def shuffled_labels(labels: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Return each label once, shuffled, then again; fewer are the start of more."""
    rounds = [rng.permutation(len(labels)) for _ in range(-(-count // len(labels)))]
    return [labels[k] for order in rounds for k in order][:count]


def write_set(
    folder: Path,
    plan: Sequence[Planned],
    *,
    mark: str,
    settings: Mapping[str, object],
    size: tuple[int, int],
) -> None:
    """Write the videos that are missing, and ``labels.csv``.

    Args:
        folder: Folder of the set.
        plan: All videos.
        mark: Name of the file that keeps the settings.
        settings: Everything that the videos depend on.
        size: (width, height) of the frames.

    Raises:
        CatalogError: The folder holds a set with other settings.
    """
    file = folder / mark
    if file.exists() and json.loads(file.read_text()) != settings:
        raise CatalogError(f"{folder}: holds another set than {settings}. Give another folder.")
    write_atomically(file, json.dumps(settings).encode())
    todo = [one for one in plan if not (folder / one.row["path"]).exists()]
    for one in tqdm(todo, desc="drawing videos", unit="video", disable=not todo):
        with atomic_path(folder / one.row["path"]) as path:
            write_video(path, one.draw(), fps=one.fps, size=size, encoding=one.encoding)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(plan[0].row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.row for one in plan)
    write_atomically(folder / "labels.csv", text.getvalue().encode())
