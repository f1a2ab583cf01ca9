"""UCF101 and its official lists (``ucfTrainTestlist``)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from slic.datasets.base import (
    Benchmark,
    OfficialVideo,
    path_handles,
    read_lines,
    require_unique,
)
from slic.errors import CatalogError


def read(folder: Path, split: str) -> tuple[OfficialVideo, ...]:
    """Read ``trainlist0N.txt`` and ``testlist0N.txt``.

    Raises:
        CatalogError: A list cannot be read, contradicts ``classInd.txt``, or lists a video twice.
    """
    classes = dict(_classes(folder / "classInd.txt"))
    videos = (
        video
        for part in ("train", "test")
        for video in _videos(folder / f"{part}list0{split}.txt", part, classes)
    )
    return require_unique(videos, source=folder)


def handles(path: str) -> tuple[str, ...]:
    """Return the names without regard to case.

    The videos of ``HandstandPushups`` are called ``v_HandStandPushups_*``, and copies differ.
    """
    return path_handles(path.casefold())


def _classes(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give, by its name in small letters, each class's number and name."""
    for line_number, line in read_lines(path):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name:
            raise CatalogError(f"{path}: line {line_number}: {line!r} is not '<number> <class>'.")
        yield name.casefold(), (number, name)


def _videos(
    path: Path, part: str, classes: Mapping[str, tuple[str, str]]
) -> Iterator[OfficialVideo]:
    for line_number, line in read_lines(path):
        name, _, told = line.partition(" ")
        number, label = classes.get(name.partition("/")[0].casefold(), ("", ""))
        if not label or told not in ("", number):
            raise CatalogError(f"{path}: line {line_number}: {line!r} contradicts classInd.txt.")
        yield OfficialVideo(name, label, part)


UCF101 = Benchmark(
    name="ucf101",
    classes=101,
    splits=("1", "2", "3"),
    counts={
        "1": {"train": 9537, "test": 3783},
        "2": {"train": 9586, "test": 3734},
        "3": {"train": 9624, "test": 3696},
    },
    origin="Center for Research in Computer Vision, University of Central Florida: "
    "13,320 clips from YouTube, 101 classes, 3 splits (arXiv 1212.0402)",
    terms="those of its page, crcv.ucf.edu/data/UCF101.php; the clips were uploaded to YouTube by "
    "their owners",
    size="about 7 GB",
    layout="ROOT/[UCF-101/]<Class>/v_<Class>_g<NN>_c<NN>.avi",
    lists="in ROOT or beside it: ucfTrainTestlist/classInd.txt, trainlist0<N>.txt, "
    "testlist0<N>.txt",
    lists_folder="ucfTrainTestlist",
    lists_pattern=("classInd.txt",),
    next_step="slic pretrain {root} --recipe paper-ucf101 --labels ucf101:1 --split train",
    folders_tell=False,
    gaps_are_normal=False,
    read=read,
    handles=handles,
)
