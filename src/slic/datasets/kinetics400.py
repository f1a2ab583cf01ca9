"""Kinetics-400 and its official lists, one CSV file for each part."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from slic.datasets.base import Benchmark, OfficialVideo, path_handles, require_unique
from slic.errors import CatalogError

PARTS = {"train.csv": "train", "validate.csv": "val", "val.csv": "val", "test.csv": "test"}

_CLIP = re.compile(r"(?P<youtube_id>.{11})(_\d{6}_\d{6})?", re.DOTALL)


def read(folder: Path, split: str = "") -> tuple[OfficialVideo, ...]:  # noqa: ARG001 (there is one)
    """Read ``train.csv``, ``validate.csv`` or ``val.csv``, and ``test.csv``, as far as there.

    Raises:
        CatalogError: A list cannot be read, is not one of Kinetics, or lists a clip twice.
    """
    paths = {part: folder / name for name, part in PARTS.items() if (folder / name).is_file()}
    videos = (video for part, path in paths.items() for video in _videos(path, part))
    return require_unique(videos, source=folder)


def handles(path: str) -> tuple[str, ...]:
    """Return the names, at last the YouTube id alone.

    Copies differ in the times that their file names tell, or tell none; no two clips of the set
    are of one YouTube video.
    """
    names = path_handles(path)
    clip = _CLIP.fullmatch(names[-1])
    return (*names, clip["youtube_id"]) if clip else names


def _videos(path: Path, part: str) -> Iterator[OfficialVideo]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if lacking := {"youtube_id", "time_start", "time_end"} - set(reader.fieldnames or ()):
                raise CatalogError(
                    f"{path}: not a list of Kinetics, no column {min(lacking)!r}. Remove it, or "
                    "name the folder of the official lists with --annotations."
                )
            for row in reader:
                yield _video(path, reader.line_num, row, part)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path}: this official list cannot be read ({error}).") from error


def _video(path: Path, line: int, row: Mapping[str, str | None], part: str) -> OfficialVideo:
    try:
        start, end = (int(float(row[name] or "")) for name in ("time_start", "time_end"))
    except (ValueError, OverflowError) as error:
        raise CatalogError(f"{path}: line {line}: a time is not a number of seconds.") from error
    label = (row.get("label") or "").strip() or None  # the lists of the test part have none
    return OfficialVideo(f"{row['youtube_id']}_{start:06d}_{end:06d}.mp4", label, part)


KINETICS400 = Benchmark(
    name="kinetics400",
    classes=400,
    splits=("",),
    counts={},
    origin="DeepMind: lists of about 240,000 training and 19,906 validation clips of 10 s on "
    "YouTube, 400 classes (arXiv 1705.06950)",
    terms="the lists are CC BY 4.0; each video stays under the terms of who uploaded it, and "
    "copies lack those that are gone",
    size="about 450 GB at the original resolution",
    layout="ROOT/[train|val|test/][<class>/]<youtube id>_<start, 6 digits>_<end, 6 digits>.mp4",
    lists="in ROOT or beside it: [annotations/]train.csv, validate.csv or val.csv, test.csv; "
    "without them, the class folders tell",
    lists_folder="annotations",
    lists_pattern=tuple(PARTS),
    next_step="slic pretrain {root} --recipe paper-kinetics400 --labels kinetics400 --split train",
    folders_tell=True,
    gaps_are_normal=True,
    read=read,
    handles=handles,
)
