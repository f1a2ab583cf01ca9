"""HMDB51 and its official lists (``testTrainMulti_7030_splits``)."""

from collections.abc import Iterator
from pathlib import Path

from slic.datasets.base import (
    Benchmark,
    OfficialVideo,
    path_handles,
    read_lines,
    require_unique,
)
from slic.errors import CatalogError

PARTS = {"0": None, "1": "train", "2": "test"}


def read(folder: Path, split: str) -> tuple[OfficialVideo, ...]:
    """Read ``<class>_test_splitN.txt`` of every class; a video with the code 0 is in no part.

    Raises:
        CatalogError: A list is missing, cannot be read, or lists a video twice.
    """
    ending = f"_test_split{split}.txt"
    paths = sorted(folder.glob(f"[!.]*{ending}"))  # a Mac leaves ._ files beside them
    if not paths:
        raise CatalogError(f"{folder}: no list of split {split} (<class>{ending}) in it.")
    videos = (video for path in paths for video in _videos(path, path.name.removesuffix(ending)))
    return require_unique(videos, source=folder)


def _videos(path: Path, label: str) -> Iterator[OfficialVideo]:
    for line_number, line in read_lines(path):
        name, _, code = line.rpartition(" ")  # some names have spaces
        if code not in PARTS or not name.strip():
            raise CatalogError(f"{path}: line {line_number}: {line!r} is not '<file> <0, 1 or 2>'.")
        yield OfficialVideo(f"{label}/{name.strip()}", label, PARTS[code])


HMDB51 = Benchmark(
    name="hmdb51",
    classes=51,
    splits=("1", "2", "3"),
    counts={split: {"train": 3570, "test": 1530} for split in ("1", "2", "3")},
    origin="Serre lab, Brown University: 6,766 clips, most from films, 51 classes, 3 splits "
    "(Kuehne et al., ICCV 2011)",
    terms="CC BY 4.0, say its authors; the clips are from films and the web",
    size="about 2 GB",
    layout="ROOT/[any folder/]<class>/<name>.avi",
    lists="in ROOT or beside it: testTrainMulti_7030_splits/<class>_test_split<N>.txt",
    lists_folder="testTrainMulti_7030_splits",
    lists_pattern=("*_test_split[123].txt",),
    next_step="slic evaluate retrieval {root} --labels hmdb51:1 --encoder run/encoder",
    folders_tell=False,
    gaps_are_normal=False,
    read=read,
    handles=path_handles,
)
