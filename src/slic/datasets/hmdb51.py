"""HMDB51 and its official lists (``testTrainMulti_7030_splits``).

Kuehne et al., "HMDB: A Large Video Database for Human Motion Recognition", ICCV 2011.
"""

from collections.abc import Iterator
from pathlib import Path

from slic.datasets.benchmark import Benchmark, OfficialVideo, numbered_lines, path_aliases
from slic.errors import LabelError

_SPLIT_OF_CODE = {"0": None, "1": "train", "2": "test"}


def read_hmdb51_lists(folder: Path, split_number: str) -> Iterator[OfficialVideo]:
    """Read ``<class>_test_split<N>.txt`` of every class.

    The lists use 70 training and 30 test videos of each class. The others have the code 0: they
    have a label and no split.

    Args:
        folder: Folder of the lists.
        split_number: ``"1"``, ``"2"`` or ``"3"``.

    Raises:
        LabelError: A list is missing or cannot be read.
    """
    ending = f"_test_split{split_number}.txt"
    paths = sorted(folder.glob(f"[!.]*{ending}"))  # macOS adds ._ files
    if not paths:
        raise LabelError(f"{folder}: no list of split {split_number} (<class>{ending}).")
    for path in paths:
        yield from _hmdb51_videos(path, path.name.removesuffix(ending))


def _hmdb51_videos(path: Path, label: str) -> Iterator[OfficialVideo]:
    for line_number, line in numbered_lines(path):
        name, _, code = line.rpartition(" ")  # some file names contain spaces
        if code not in _SPLIT_OF_CODE or not name.strip():
            raise LabelError(f"{path}: line {line_number}: {line!r} is not '<file> <0, 1 or 2>'.")
        yield OfficialVideo(f"{label}/{name.strip()}", label, _SPLIT_OF_CODE[code])


HMDB51 = Benchmark(
    name="hmdb51",
    classes=51,
    arguments=("1", "2", "3"),
    official_counts={number: {"train": 3570, "test": 1530} for number in ("1", "2", "3")},
    facts={
        "origin": "Serre lab, Brown University: 6,766 clips, most from films, 51 classes, 3 splits "
        "(Kuehne et al., ICCV 2011)",
        "terms": "CC BY 4.0 according to its authors; the clips are from films and the web",
        "size": "about 2 GB",
        "layout": "ROOT/[any folder/]<class>/<name>.avi",
        "lists": "in ROOT or beside it: testTrainMulti_7030_splits/<class>_test_split<N>.txt",
    },
    lists_folder="testTrainMulti_7030_splits",
    lists_patterns=("*_test_split[123].txt",),
    read_lists=read_hmdb51_lists,
    aliases=path_aliases,
)
