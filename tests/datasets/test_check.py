"""What a data set on disk lacks, and whether it can be used without."""

import dataclasses
from pathlib import Path

import pytest

from slic.datasets.benchmark import Benchmark
from slic.datasets.check import (
    DatasetCheck,
    SplitCount,
    check_dataset,
    describe_gaps,
    describe_problem,
)

Names = list[str]


@pytest.fixture
def root(tiny_lists: Path) -> Path:
    return tiny_lists.parent / "videos"


def check_of(tiny: Benchmark, root: Path, ids: Names, **unreadable: str) -> DatasetCheck:
    return check_dataset(tiny, root=root, ids=ids, unreadable=unreadable)


def test_a_complete_data_set(tiny: Benchmark, root: Path, tiny_names: Names) -> None:
    check = check_of(tiny, root, [*tiny_names, "run/other.avi"])
    assert check.counts == (
        SplitCount("1", "train", found=20, listed=20, official=20),
        SplitCount("1", "test", found=4, listed=4, official=4),
    )
    assert (check.videos, check.classes) == (24, ("run", "walk"))
    assert check.unlisted == ("run/other.avi",)
    assert (check.missing, check.missing_classes, check.duplicates) == ((), (), ())
    assert describe_problem(check, tiny, root=root) is None
    assert describe_gaps(check, tiny) is None


def test_missing_videos_are_a_gap_unless_they_are_normal(
    tiny: Benchmark, root: Path, tiny_names: Names
) -> None:
    check = check_of(tiny, root, tiny_names[7:])
    assert check.missing == tuple(tiny_names[:7])
    assert [count.found for count in check.counts] == [13, 4]
    assert describe_problem(check, tiny, root=root) is None
    assert describe_gaps(check, tiny) == (
        f"Download {', '.join(tiny_names[:5])} and 2 more; "
        "until then results are on a part of the data set."
    )
    normal = dataclasses.replace(tiny, missing_videos_are_normal=True)
    assert describe_gaps(check, normal) is None


def test_unreadable_videos_are_a_gap_and_many_are_a_problem(
    tiny: Benchmark, root: Path, tiny_names: Names
) -> None:
    check = check_of(tiny, root, tiny_names[2:], **dict.fromkeys(tiny_names[:2], "bad"))
    assert check.missing == ()
    assert check.videos == 22
    assert describe_problem(check, tiny, root=root) is None
    assert describe_gaps(check, tiny) == (
        f"Download {tiny_names[0]}, {tiny_names[1]} again; "
        "until then unreadable files are left out."
    )
    check = check_of(tiny, root, tiny_names[3:], **dict.fromkeys(tiny_names[:3], "bad"))
    assert describe_problem(check, tiny, root=root) == (
        f"12% of the files are unreadable. Download {', '.join(tiny_names[:3])} again."
    )


def test_duplicates_are_a_problem_unless_all_but_one_are_unreadable(
    tiny: Benchmark, root: Path, tiny_names: Names
) -> None:
    check = check_of(tiny, root, [*tiny_names, "copy/run_00.avi", "copy/run_01.avi"])
    assert check.duplicates == (
        ("copy/run_00.avi", "run/run_00.avi"),
        ("copy/run_01.avi", "run/run_01.avi"),
    )
    assert describe_problem(check, tiny, root=root) == (
        "'copy/run_00.avi' and 'run/run_00.avi' are the same video (and 1 more). "
        "Keep one file for each video."
    )
    check = check_of(tiny, root, tiny_names, **{"copy/run_00.avi": "bad"})
    assert check.duplicates == ()


def test_classes_that_are_missing_are_a_problem(
    tiny: Benchmark, root: Path, tiny_names: Names
) -> None:
    check = check_of(tiny, root, tiny_names[12:])
    assert check.missing_classes == ("run",)
    assert describe_problem(check, tiny, root=root) == (
        "every video of run is missing. Unpack these classes again."
    )
    check = check_of(tiny, root, ["other.avi"])
    assert describe_problem(check, tiny, root=root) == (
        f"{root}: contains no video of tiny. Give the folder of its videos."
    )


def test_lists_with_another_number_of_videos_are_a_problem(
    tiny: Benchmark, root: Path, tiny_lists: Path, tiny_names: Names
) -> None:
    lines = (tiny_lists / "split1.txt").read_text().splitlines()
    (tiny_lists / "split1.txt").write_text("\n".join(lines[:-1]))
    check = check_of(tiny, root, tiny_names)
    assert describe_problem(check, tiny, root=root) == (
        f"{tiny_lists}: split 1 lists 3 test videos instead of 4. Download the official lists."
    )
