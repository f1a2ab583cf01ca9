"""UCF101: the official lists and how versions of it on disk differ."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.datasets import labels_from
from slic.datasets.check import check_dataset, describe_gaps, describe_problem
from slic.datasets.ucf101 import UCF101
from slic.errors import LabelError

MakeTree = Callable[[Path, list[str]], Path]
IdsIn = Callable[[Path], list[str]]

NAMES = [
    f"{label}/v_{label}_g0{group}_c01.avi"
    for label in ("Archery", "HandstandPushups", "YoYo")
    for group in (1, 2, 3)
]


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Return lists of three classes: the first group of each is for the test."""
    folder = tmp_path / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 Archery\r\n2 HandstandPushups\r\n3 YoYo\r\n")
    number = {"Archery": 1, "HandstandPushups": 2, "YoYo": 3}
    for split in (1, 2, 3):
        test = [name for name in NAMES if f"_g0{split}_" in name]
        train = [f"{n} {number[n.split('/')[0]]}" for n in NAMES if n not in test]
        (folder / f"testlist0{split}.txt").write_text("\n".join(test) + "\n")
        (folder / f"trainlist0{split}.txt").write_text("\n".join(train) + "\n")
    return folder


@pytest.fixture(scope="module")
def whole(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a folder of videos beside the official lists, and the ids of all official videos.

    The folder is not made: ids and lists are all that labels depend on. What a scan finds is tested
    on a smaller tree below.
    """
    official = shared / "data" / "ucf101_splits"
    if not official.is_dir():
        pytest.skip("the shared folder has no lists of UCF101")
    folder = tmp_path_factory.mktemp("ucf101")
    shutil.copytree(official, folder / "ucfTrainTestlist")
    lists = [official / "trainlist01.txt", official / "testlist01.txt"]
    names = [line.split()[0] for path in lists for line in path.read_text().splitlines()]
    return folder / "UCF-101", sorted(names)


@pytest.mark.parametrize(
    ("split_number", "train", "test"), [("1", 9537, 3783), ("2", 9586, 3734), ("3", 9624, 3696)]
)
def test_the_whole_set_has_the_official_counts(
    whole: tuple[Path, list[str]], split_number: str, train: int, test: int
) -> None:
    root, ids = whole
    labels = labels_from(f"ucf101:{split_number}", root=root)(ids)
    assert Counter(labels.split.values()) == {"train": train, "test": test}
    assert labels.describe_mismatch(ids) is None
    assert len(ids) == 13320
    assert len(set(labels.label.values())) == 101
    assert all(label == name.split("/")[0] for name, label in labels.label.items())
    groups = {
        split: {name[:-8] for name, where in labels.split.items() if where == split}
        for split in ("train", "test")
    }  # the clips of a group show the same people, so no group is on both sides
    assert not groups["train"] & groups["test"]


def test_the_whole_set_passes_the_check(whole: tuple[Path, list[str]]) -> None:
    root, ids = whole
    check = check_dataset(UCF101, root=root, ids=ids, unreadable={})
    assert [(count.found, count.official) for count in check.counts] == [
        (number, number) for number in (9537, 3783, 9586, 3734, 9624, 3696)
    ]
    assert (check.videos, len(check.classes)) == (13320, 101)
    assert describe_problem(check, UCF101, root=root) is None
    assert describe_gaps(check, UCF101) is None
    some = [name for name in ids if not name.startswith("Archery/")][:-1]
    check = check_dataset(UCF101, root=root, ids=some, unreadable={})
    assert check.missing_classes == ("Archery",)
    assert set(check.missing) == set(ids) - set(some)
    assert describe_problem(check, UCF101, root=root) == (
        "every video of Archery is missing. Unpack these classes again."
    )


def test_a_scan_of_a_video_of_each_class_gives_the_official_names(
    whole: tuple[Path, list[str]], tmp_path: Path, make_tree: MakeTree, ids_in: IdsIn
) -> None:
    root, ids = whole
    one_of_each = {name.split("/")[0]: name for name in ids}
    names = sorted(one_of_each.values())
    assert ids_in(make_tree(tmp_path / "UCF-101", names)) == names
    lists = root.parent / "ucfTrainTestlist"
    labels = labels_from("ucf101:1", root=tmp_path, annotations=lists)(names)
    assert labels.labels_of(names) == sorted(one_of_each)


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name,
        lambda name: f"UCF-101/{name}",
        lambda name: f"jpegs_256/{name.split('/')[1].removesuffix('.avi')}",  # no class folders
        lambda name: name.removesuffix(".avi") + ".mp4",
        lambda name: name.replace("Pushups", "PushUps", 1).replace("Handstand", "HandStand", 1),
        lambda name: name.replace("v_Handstand", "v_HandStand"),
    ],
)
def test_other_layouts(lists: Path, change: Callable[[str], str]) -> None:
    ids = [change(name) for name in NAMES]
    labels = labels_from("ucf101:2", root=lists.parent)(ids)
    assert labels.labels_of(ids) == [name.split("/")[0] for name in NAMES]
    assert labels.ids("test") == tuple(change(name) for name in NAMES if "_g02_" in name)


def test_files_and_folders_of_frames_on_disk(
    lists: Path,
    make_tree: MakeTree,
    make_frames: Callable[..., Path],
    ids_in: IdsIn,
) -> None:
    files = make_tree(lists.parent / "UCF-101", NAMES)
    for name in NAMES:
        make_frames(lists.parent / "frames" / name.removesuffix(".avi"), frames=2, size=(16, 16))
    for root, suffix in ((files, ".avi"), (lists.parent / "frames", "")):
        ids = ids_in(root)
        assert ids == [name.removesuffix(".avi") + suffix for name in NAMES]
        labels = labels_from("ucf101:1", root=root)(ids)
        assert labels.describe_mismatch(ids) is None
        assert Counter(labels.split.values()) == {"train": 6, "test": 3}
    with pytest.raises(LabelError, match=r"same video \(and 8 more\)\. Keep one"):
        labels_from("ucf101:1", root=lists.parent)(ids_in(lists.parent))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classInd.txt", "Archery\n", r"classInd.txt: line 1: 'Archery' is not '<number> <class>'"),
        ("testlist01.txt", "\nDance/v_1.avi\n", r"line 2: 'Dance/v_1.avi' contradicts classInd"),
        ("trainlist01.txt", "YoYo/v_1.avi 1\n", r"line 1: 'YoYo/v_1.avi 1' contradicts classInd"),
        ("trainlist01.txt", f"{NAMES[0]} 1\n", rf"ucfTrainTestlist: '{NAMES[0]}' is listed twice"),
    ],
)
def test_damaged_lists(lists: Path, file: str, text: str, message: str) -> None:
    (lists / file).write_text(text)
    with pytest.raises(LabelError, match=message):
        UCF101.read(lists, "1")


def test_a_missing_list(lists: Path) -> None:
    (lists / "trainlist01.txt").unlink()
    with pytest.raises(LabelError, match=r"trainlist01.txt: this official list cannot be read"):
        UCF101.read(lists, "1")


def test_lists_that_are_not_the_official_ones_are_a_problem(lists: Path) -> None:
    check = check_dataset(UCF101, root=lists.parent, ids=NAMES, unreadable={})
    assert describe_problem(check, UCF101, root=lists.parent) == (
        f"{lists}: split 1 lists 6 train videos instead of 9537. Download the official lists."
    )
