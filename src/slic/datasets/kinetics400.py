"""Kinetics-400 and its official lists, one CSV file for each split.

Kay et al., "The Kinetics Human Action Video Dataset", arXiv 1705.06950.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from slic.datasets.benchmark import Benchmark, OfficialVideo, path_aliases
from slic.datasets.labels import Labels
from slic.datasets.tree import labels_of_tree
from slic.errors import LabelError

_SPLIT_OF_FILE = {"train.csv": "train", "validate.csv": "val", "val.csv": "val", "test.csv": "test"}
_CLIP_NAME = re.compile(r"(?P<youtube_id>.{11})(_\d{6}_\d{6})?", re.DOTALL)


def read_kinetics400_lists(
    folder: Path,
    split_number: str = "",  # noqa: ARG001 (there is only one)
) -> Iterator[OfficialVideo]:
    """Read ``train.csv``, ``validate.csv`` or ``val.csv``, and ``test.csv``, those that exist.

    Args:
        folder: Folder of the lists.
        split_number: Empty; Kinetics has one official split.

    Raises:
        LabelError: A list cannot be read or is not one of Kinetics.
    """
    paths = {
        split: folder / name for name, split in _SPLIT_OF_FILE.items() if (folder / name).is_file()
    }
    for split, path in paths.items():
        yield from _kinetics_videos(path, split)


def kinetics400_aliases(path: str) -> tuple[str, ...]:
    """Return the names of a clip, the YouTube id alone as the last.

    File names on disk may have other times than the lists, or none. No two clips of the data set
    come from the same YouTube video.
    """
    names = path_aliases(path)
    clip = _CLIP_NAME.fullmatch(names[-1])
    return (*names, clip["youtube_id"]) if clip else names


def labels_of_class_folders(ids: Collection[str]) -> Labels:
    """Read labels from class folders, whose names may have underscores instead of spaces.

    Raises:
        LabelError: See `labels_of_tree`.
    """
    tree = labels_of_tree(ids)
    return Labels({name: label.replace("_", " ") for name, label in tree.label.items()}, tree.split)


def _kinetics_videos(path: Path, split: str) -> Iterator[OfficialVideo]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if absent := {"youtube_id", "time_start", "time_end"} - set(reader.fieldnames or ()):
                raise LabelError(
                    f"{path}: not a list of Kinetics, no column {min(absent)!r}. Remove it, or "
                    "name the folder of the official lists (--annotations DIR)."
                )
            for row in reader:
                yield _kinetics_video(path, reader.line_num, row, split)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: this official list cannot be read ({error}).") from error


def _kinetics_video(
    path: Path, line: int, row: Mapping[str, str | None], split: str
) -> OfficialVideo:
    try:
        start, end = (int(float(row[name] or "")) for name in ("time_start", "time_end"))
    except (ValueError, OverflowError) as error:
        raise LabelError(f"{path}: line {line}: a time is not a number of seconds.") from error
    label = (row.get("label") or "").strip() or None  # the test list has no labels
    return OfficialVideo(f"{row['youtube_id']}_{start:06d}_{end:06d}.mp4", label, split)


KINETICS400 = Benchmark(
    name="kinetics400",
    classes=400,
    arguments=("",),
    official_counts={},
    facts={
        "origin": "DeepMind: lists of about 240,000 training and 19,906 validation clips of 10 s "
        "on YouTube, 400 classes (arXiv 1705.06950)",
        "terms": "the lists are CC BY 4.0; each video is under the terms of its uploader, and "
        "deleted videos are missing everywhere",
        "size": "about 450 GB at the original resolution",
        "layout": "ROOT/[train|val|test/][<class>/]"
        "<youtube id>_<start, 6 digits>_<end, 6 digits>.mp4",
        "lists": "in ROOT or beside it: [annotations/]train.csv, validate.csv or val.csv, "
        "test.csv; without them, the class folders are the labels",
    },
    lists_folder="annotations",
    lists_patterns=tuple(_SPLIT_OF_FILE),
    recipe="paper-kinetics400",
    missing_videos_are_normal=True,
    read_lists=read_kinetics400_lists,
    aliases=kinetics400_aliases,
    labels_without_lists=labels_of_class_folders,
)
