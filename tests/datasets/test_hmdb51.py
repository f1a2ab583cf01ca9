"""HMDB51: lists with the official names and totals, odd file names, unused videos."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.datasets import labels_from
from slic.datasets.check import check_dataset, describe_gaps, describe_problem
from slic.datasets.hmdb51 import HMDB51
from slic.errors import LabelError

MakeTree = Callable[[Path, list[str]], Path]
IdsIn = Callable[[Path], list[str]]

CLASSES = [
    "brush_hair", "cartwheel", "catch", "chew", "clap", "climb", "climb_stairs", "dive",
    "draw_sword", "dribble", "drink", "eat", "fall_floor", "fencing", "flic_flac", "golf",
    "handstand", "hit", "hug", "jump", "kick", "kick_ball", "kiss", "laugh", "pick", "pour",
    "pullup", "punch", "push", "pushup", "ride_bike", "ride_horse", "run", "shake_hands",
    "shoot_ball", "shoot_bow", "shoot_gun", "sit", "situp", "smile", "smoke", "somersault", "stand",
    "swing_baseball", "sword", "sword_exercise", "talk", "throw", "turn", "walk", "wave",
]  # fmt: skip


def file_name(label: str, number: int) -> str:
    """Return a file name with what the real ones have: spaces, brackets, signs and dots."""
    odd = ("#20_Rhythm", "Die Bank!", "Hair__[_NEW_]_UP!!!", "Vol.1_(a;b&c)=", "April_09")
    return f"{odd[number % len(odd)]}_{label}_u_nm_np1_fr_goo_{number}.avi"


def code(number: int, split: int) -> int:
    """Return the code of the number-th of a class's 102 videos: 70 for 1, 30 for 2, 2 for 0."""
    place = (number + 17 * split) % 102
    return 1 if place < 70 else 2 if place < 100 else 0


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of lists with the official names and totals, and names of our own."""
    folder = tmp_path_factory.mktemp("hmdb51") / "testTrainMulti_7030_splits"
    folder.mkdir()
    for label in CLASSES:
        for split in (1, 2, 3):
            lines = [f"{file_name(label, n)} {code(n, split)} \n" for n in range(102)]
            (folder / f"{label}_test_split{split}.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def whole(lists: Path) -> tuple[Path, list[str]]:
    """Return a folder of videos beside the lists, not made, and the ids of all their videos."""
    ids = [f"{label}/{file_name(label, n)}" for label in CLASSES for n in range(102)]
    return lists.parent / "hmdb51_org", sorted(ids)


@pytest.mark.parametrize("split_number", [1, 2, 3])
def test_the_whole_set_has_the_official_counts(
    whole: tuple[Path, list[str]], split_number: int
) -> None:
    root, ids = whole
    labels = labels_from(f"hmdb51:{split_number}", root=root)(ids)
    assert Counter(labels.split.values()) == {"train": 3570, "test": 1530}
    assert labels.describe_mismatch(ids) is None
    assert len(ids) == len(labels.label) == 51 * 102
    for label in CLASSES:
        for number in range(102):  # the lists' code, the slow way
            split = {0: None, 1: "train", 2: "test"}[code(number, split_number)]
            name = f"{label}/{file_name(label, number)}"
            assert (labels.label[name], labels.split.get(name)) == (label, split)


def test_the_whole_set_passes_the_check(whole: tuple[Path, list[str]]) -> None:
    root, ids = whole
    check = check_dataset(HMDB51, root=root, ids=ids, unreadable={})
    assert [(count.found, count.official) for count in check.counts] == [
        (3570, 3570), (1530, 1530),
    ] * 3  # fmt: skip
    assert describe_problem(check, HMDB51, root=root) is None
    assert describe_gaps(check, HMDB51) is None


@pytest.mark.parametrize("suffix", [".avi", ""])
def test_a_scan_finds_odd_names_of_files_and_folders_of_frames(
    suffix: str,
    lists: Path,
    tmp_path: Path,
    make_tree: MakeTree,
    make_frames: Callable[..., Path],
    ids_in: IdsIn,
) -> None:
    names = [f"wave/{file_name('wave', number)[:-4]}{suffix}" for number in range(5)]
    if suffix:
        make_tree(tmp_path, names)
    else:
        for name in names:
            make_frames(tmp_path / name, frames=2, size=(16, 16))
    ids = ids_in(tmp_path)
    assert ids == sorted(names)
    labels = labels_from("hmdb51:1", root=tmp_path, annotations=lists)(ids)
    assert labels.labels_of(ids) == ["wave"] * 5


def test_equal_file_names_in_two_classes_are_told_apart_by_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run_test_split1.txt").write_text("a b.avi 1\nonly.avi 2\n")
    (tmp_path / "walk_test_split1.txt").write_text("a b.avi 2\n")
    labels = labels_from("hmdb51:1", root=tmp_path)(["x/run/a b.avi", "walk/a b.avi", "only.avi"])
    assert labels.label == {"x/run/a b.avi": "run", "walk/a b.avi": "walk", "only.avi": "run"}
    assert labels.split == {"x/run/a b.avi": "train", "walk/a b.avi": "test", "only.avi": "test"}
    alone = labels_from("hmdb51:1", root=tmp_path)(["a b.avi", "only.avi"])
    assert "a b.avi" not in alone.label  # which of the two it is cannot be known


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.avi 3\n", r"wave_test_split1.txt: line 1: 'a.avi 3' is not '<file> <0, 1 or 2>'"),
        ("a.avi\n", r"line 1: 'a.avi' is not '<file> <0, 1 or 2>'"),
        ("a.avi 1\n\na.avi 2\n", r"'wave/a.avi' is listed twice"),
        ("\n", r"the official lists are empty"),
    ],
)
def test_damaged_lists(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "wave_test_split1.txt").write_text(text)
    with pytest.raises(LabelError, match=message):
        HMDB51.read(tmp_path, "1")
    with pytest.raises(LabelError, match=r"no list of split 2 \(<class>_test_split2.txt\)"):
        HMDB51.read(tmp_path, "2")


def test_the_hidden_files_of_macos_are_not_lists(tmp_path: Path) -> None:
    (tmp_path / "wave_test_split1.txt").write_text("a.avi 1\n")
    (tmp_path / "._wave_test_split1.txt").write_bytes(b"\0\5\x16\7\xff")
    assert [video.label for video in HMDB51.read(tmp_path, "1")] == ["wave"]


def test_a_class_without_its_list_is_noticed(lists: Path, tmp_path: Path) -> None:
    shutil.copytree(lists, tmp_path / "lists")
    (tmp_path / "lists" / "wave_test_split2.txt").unlink()
    ids = [f"{label}/{file_name(label, n)}" for label in CLASSES for n in range(102)]
    lists = tmp_path / "lists"
    check = check_dataset(HMDB51, root=tmp_path, ids=ids, unreadable={}, annotations=lists)
    assert describe_problem(check, HMDB51, root=tmp_path) == (
        f"{lists}: split 2 lists 3500 train videos instead of 3570. Download the official lists."
    )
