"""UCF101 and its official lists (``ucfTrainTestlist``).

Soomro, Zamir and Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild",
arXiv 1212.0402.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from slic.datasets.benchmark import Benchmark, OfficialVideo, numbered_lines, path_aliases
from slic.errors import LabelError


def read_ucf101_lists(folder: Path, split_number: str) -> Iterator[OfficialVideo]:
    """Read ``classInd.txt``, ``trainlist0<N>.txt`` and ``testlist0<N>.txt``.

    Args:
        folder: Folder of the lists.
        split_number: ``"1"``, ``"2"`` or ``"3"``.

    Raises:
        LabelError: A list cannot be read, or contradicts ``classInd.txt``.
    """
    classes = dict(_ucf101_classes(folder / "classInd.txt"))
    for split in ("train", "test"):
        yield from _ucf101_videos(folder / f"{split}list0{split_number}.txt", split, classes)


def ucf101_aliases(path: str) -> tuple[str, ...]:
    """Return the names of a video without regard to case.

    The videos of the class ``HandstandPushups`` are called ``v_HandStandPushups_*``, and versions
    of the data set spell the folder either way.
    """
    return path_aliases(path.casefold())


def _ucf101_classes(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the class name without regard to case, and the number and the name of each class."""
    for line_number, line in numbered_lines(path):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name:
            raise LabelError(f"{path}: line {line_number}: {line!r} is not '<number> <class>'.")
        yield name.casefold(), (number, name)


def _ucf101_videos(
    path: Path, split: str, classes: Mapping[str, tuple[str, str]]
) -> Iterator[OfficialVideo]:
    for line_number, line in numbered_lines(path):
        name, _, listed_number = line.partition(" ")  # test lists have no class numbers
        number, label = classes.get(name.partition("/")[0].casefold(), ("", ""))
        if not label or listed_number not in ("", number):
            raise LabelError(f"{path}: line {line_number}: {line!r} contradicts classInd.txt.")
        yield OfficialVideo(name, label, split)


UCF101 = Benchmark(
    name="ucf101",
    classes=101,
    arguments=("1", "2", "3"),
    official_counts={
        "1": {"train": 9537, "test": 3783},
        "2": {"train": 9586, "test": 3734},
        "3": {"train": 9624, "test": 3696},
    },
    facts={
        "origin": "Center for Research in Computer Vision, University of Central Florida: "
        "13,320 clips from YouTube, 101 classes, 3 splits (arXiv 1212.0402)",
        "terms": "those of its page, crcv.ucf.edu/data/UCF101.php; the clips were uploaded to "
        "YouTube by their owners",
        "size": "about 7 GB",
        "layout": "ROOT/[UCF-101/]<Class>/v_<Class>_g<NN>_c<NN>.avi",
        "lists": "in ROOT or beside it: ucfTrainTestlist/classInd.txt, trainlist0<N>.txt, "
        "testlist0<N>.txt",
    },
    lists_folder="ucfTrainTestlist",
    lists_patterns=("classInd.txt",),
    recipe="paper-ucf101",
    read_lists=read_ucf101_lists,
    aliases=ucf101_aliases,
)
