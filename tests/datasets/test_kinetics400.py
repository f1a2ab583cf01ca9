"""Kinetics-400: the official lists, folders of classes or none, missing videos."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.datasets import labels_from
from slic.datasets.check import check_dataset, describe_gaps, describe_problem
from slic.datasets.kinetics400 import KINETICS400
from slic.errors import LabelError

MakeTree = Callable[[Path, list[str]], Path]
IdsIn = Callable[[Path], list[str]]

CLASSES = [
    "massaging person's head", "passing American football (in game)", "petting animal (not cat)",
    *(f"doing thing {number}" for number in range(397)),
]  # fmt: skip
Clip = tuple[str, str, int]  # part, label, start


def clip_id(number: int) -> str:
    """Return eleven characters as YouTube's: they may begin with a dash and have underscores."""
    return f"-_{number:06d}aB{number % 10}"


CLIPS: dict[str, Clip] = {
    clip_id(4 * at + n): ("val" if n == 3 else "train", label, 7 * n)
    for at, label in enumerate(CLASSES)
    for n in range(4)
}


def file_name(video: str) -> str:
    return f"{video}_{CLIPS[video][2]:06d}_{CLIPS[video][2] + 10:06d}.mp4"


def write_lists(folder: Path) -> Path:
    """Write the three lists with their official columns."""
    folder.mkdir(parents=True)
    for part, name in (("train", "train.csv"), ("val", "validate.csv")):
        rows = [
            f'"{label}",{video},{start},{start + 10},{part},0'
            for video, (where, label, start) in CLIPS.items()
            if where == part
        ]
        header = "label,youtube_id,time_start,time_end,split,is_cc"
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
    (folder / "test.csv").write_text(
        "youtube_id,time_start,time_end,split\nabcdefghijk,1,11,test\n"
    )
    return folder


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of lists beside which videos may lie."""
    return write_lists(tmp_path_factory.mktemp("kinetics") / "annotations")


def test_files_without_class_folders_with_some_missing(lists: Path) -> None:
    there = [video for at, video in enumerate(CLIPS) if at % 10]
    root = lists.parent / "flat"  # not made: ids and lists are all that labels depend on
    ids = sorted(f"{CLIPS[video][0]}/{file_name(video)}" for video in there)
    labels = labels_from("kinetics400", root=root)(ids)
    for video, name in ((name.split("/")[1][:11], name) for name in ids):
        assert (labels.split[name], labels.label[name]) == CLIPS[video][:2]
    assert len(ids) == 1440
    assert "160 of 1600 listed videos are missing" in str(labels.describe_mismatch(ids))
    check = check_dataset(KINETICS400, root=root, ids=ids, unreadable={})
    assert Counter({count.split: count.found for count in check.counts}) == Counter(
        CLIPS[video][0] for video in there
    ) | {"test": 0}
    assert [count.official for count in check.counts] == [1200, 400, 1]
    assert len(check.missing) == 161
    assert describe_problem(check, KINETICS400, root=root) is None
    assert describe_gaps(check, KINETICS400) is None  # missing videos are normal


def test_a_scan_finds_names_that_begin_with_a_dash(
    lists: Path, tmp_path: Path, make_tree: MakeTree, ids_in: IdsIn
) -> None:
    clips = [(video, *CLIPS[video]) for video in list(CLIPS)[:12]]
    names = [f"{split}/{label}/{file_name(video)}" for video, split, label, _ in clips]
    ids = ids_in(make_tree(tmp_path, names))
    assert ids == sorted(names)
    labels = labels_from("kinetics400", root=tmp_path, annotations=lists)(ids)
    assert labels.labels_of(names) == [label for _, _, label, _ in clips]


@pytest.mark.parametrize("blank", [" ", "_"])
def test_class_folders_with_and_without_lists(lists: Path, tmp_path: Path, blank: str) -> None:
    ids = [
        f"{part}/{label.replace(' ', blank)}/{file_name(video)}"
        for video, (part, label, _) in CLIPS.items()
    ]
    with_lists = labels_from("kinetics400", root=tmp_path, annotations=lists)(ids)
    without = labels_from("kinetics400", root=tmp_path / "copy")(ids)
    assert without.labels_of(ids) == [label for _, label, _ in CLIPS.values()]
    assert without.labels_of(ids) == with_lists.labels_of(ids)
    assert [without.split[name] for name in ids] == [part for part, _, _ in CLIPS.values()]
    assert [with_lists.split[name] for name in ids] == [part for part, _, _ in CLIPS.values()]
    assert with_lists.describe_mismatch(ids) is without.describe_mismatch(ids) is None

    check = check_dataset(KINETICS400, root=tmp_path / "copy", ids=ids, unreadable={})
    assert check.lists is None
    assert [(count.split, count.found, count.official) for count in check.counts] == [
        ("train", 1200, None),
        ("val", 400, None),
    ]
    assert describe_problem(check, KINETICS400, root=tmp_path) is None
    few = [name for name in ids if "doing" not in name]
    check = check_dataset(KINETICS400, root=tmp_path / "copy", ids=few, unreadable={})
    assert describe_problem(check, KINETICS400, root=tmp_path) == (
        f"{tmp_path}: contains 3 of 400 classes. Add the rest."
    )


def test_names_with_other_times_or_none_and_folders_of_frames(lists: Path, tmp_path: Path) -> None:
    first, second, third, fourth = list(CLIPS)[:4]
    ids = [f"{first}.mkv", f"{second}_000001_000099.mp4", f"x/{third}", file_name(fourth)[:-4]]
    labels = labels_from("kinetics400", root=tmp_path, annotations=lists)(ids)
    assert labels.labels_of(ids) == [CLIPS[video][1] for video in (first, second, third, fourth)]


def test_the_test_part_has_no_labels(lists: Path, tmp_path: Path) -> None:
    name = "test/abcdefghijk_000001_000011.mp4"
    labels = labels_from("kinetics400", root=tmp_path, annotations=lists)(
        [name, file_name(clip_id(0))]
    )
    assert labels.ids("test") == (name,)
    assert name not in labels.label
    with pytest.raises(LabelError, match="none of its 1600 labelled videos is in"):
        labels_from("kinetics400", root=tmp_path, annotations=lists)([name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4,walk\n", r"val.csv: not a list of Kinetics, no column 'time_end'"),
        (
            "label,youtube_id,time_start,time_end\nrun,abcdefghijk,a,9\n",
            r"val.csv: line 2: a time is not a number of seconds",
        ),
        (
            "label,youtube_id,time_start,time_end\nrun,abcdefghijk,0,inf\n",
            r"val.csv: line 2: a time is not a number of seconds",
        ),
        ("label,youtube_id,time_start,time_end\n", r"the official lists are empty"),
        (
            "label,youtube_id,time_start,time_end\nrun,abc,1,9\nrun,abc,1.0,9.0\n",
            r"'abc_000001_000009.mp4' is listed twice",
        ),
    ],
)
def test_damaged_lists(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.csv").write_text(text)
    with pytest.raises(LabelError, match=message):
        KINETICS400.read(tmp_path, "")
