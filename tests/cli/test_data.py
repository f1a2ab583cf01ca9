"""``slic data``: facts of each data set, and a check of one on disk."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.datasets import DATASETS

Lines = Callable[..., tuple[int, list[str], list[str]]]
CLASSES = ("Archery", "HandstandPushups")
NAMES = [f"{c}/v_{c}_g{group:02d}_c01.avi" for c in CLASSES for group in range(1, 7)]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a copy of two classes of UCF101 with lists of those two beside it."""
    root = tmp_path_factory.mktemp("ucf101") / "UCF-101"
    video = make_video(root.parent / "video.avi", frames=20, size=(64, 48), codec="mpeg4")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(video, root / name)
    lists = root.parent / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\n2 HandstandPushups\n")
    for split in (1, 2, 3):
        test = [name for name in NAMES if f"_g0{split}_" in name]
        train = [f"{n} {1 + (n[0] == 'H')}" for n in NAMES if n not in test]
        (lists / f"testlist0{split}.txt").write_text("\n".join(test))
        (lists / f"trainlist0{split}.txt").write_text("\n".join(train))
    return root


def test_each_data_set_has_origin_and_terms(lines: Lines) -> None:
    code, out, _ = lines("data")
    assert code == 0
    assert [line.split()[0] for line in out if "(--labels " in line] == list(DATASETS)
    for title in ("origin", "terms", "size", "layout", "lists"):
        assert sum(line.startswith(f"  {title} ") for line in out) >= 3


def test_check_names_what_is_wrong_and_exits_with_1(videos: Path, lines: Lines) -> None:
    code, out, err = lines("data", "check", "ucf101", videos)
    assert code == 1  # the lists are of two classes
    assert out[0] == f"ucf101 in {videos}: 12 videos, 2 of 101 classes."
    assert "split 1 train: 10 of 9537" in out
    assert err[-1] == (
        f"slic: {videos.parent}/ucfTrainTestlist: split 1 lists 10 train videos instead of 9537. "
        "Download the official lists."
    )


def test_check_as_json_names_all(videos: Path, lines: Lines, tmp_path: Path) -> None:
    root = tmp_path / "copy" / "UCF-101"
    for name in NAMES[:4]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(videos / name, root / name)
    (root / NAMES[4]).write_text("no video")
    (root / "Archery" / "extra.avi").hardlink_to(videos / NAMES[0])
    lists = videos.parent / "ucfTrainTestlist"
    words = ("data", "check", "ucf101", root, "--annotations", lists)
    code, out, _ = lines(*words, "--json")
    printed = json.loads("\n".join(out))
    assert (code, printed["usable"], printed["videos"], printed["lists"]) == (
        1,
        False,
        4,
        str(lists),
    )
    assert printed["missing_classes"] == ["HandstandPushups"]
    assert printed["missing"] == NAMES[5:]
    assert list(printed["unreadable"]) == [NAMES[4]]
    assert printed["unlisted"] == ["Archery/extra.avi"]
    assert printed["counts"][0] == {
        "split_number": "1", "split": "train", "found": 3, "listed": 10, "official": 9537,
    }  # fmt: skip
    code, out, _ = lines(*words)
    assert code == 1
    assert "missing: 7" in out
    assert "  and 2 more; --json lists all" in out
    assert any(re.match(rf"  {NAMES[4]}: not a video file", line) for line in out)


def test_check_without_lists_or_videos(videos: Path, lines: Lines, tmp_path: Path) -> None:
    code, out, err = lines("data", "check", "hmdb51", videos)
    assert (code, out) == (1, [])
    assert err[-1].startswith("slic: hmdb51: no official lists (testTrainMulti_7030_splits/")
    assert "scanning" not in "".join(err)
    code, _, err = lines("data", "check", "kinetics400", tmp_path)
    assert code == 1
    assert "no video found" in err[-1]
    assert lines("data", "check", "imagenet", tmp_path)[0] == 2
