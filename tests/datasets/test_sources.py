"""One word for every source of labels, and one clear line for every wrong one."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.datasets import Labels, labels_from
from slic.datasets.tree import labels_of_tree
from slic.errors import CatalogError
from slic.videos.catalog import Catalog

MakeTree = Callable[[Path, list[str]], Path]


def test_a_csv_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label,split\na.mp4,walk,train\nb.mp4,run,test\n")
    labels = labels_from(str(file), root=tmp_path)
    assert labels(["a.mp4"]).ids("test") == ("b.mp4",)
    with pytest.raises(CatalogError, match=r"labels.csv: none of its 2 .* the first is 'a.mp4'"):
        labels(["videos/a.mp4"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ucf101:4", "ucf101: no split '4'; say ucf101:1 or ucf101:2 or ucf101:3."),
        ("ucf101", "ucf101: no split ''; say ucf101:1 or ucf101:2 or ucf101:3."),
        ("hmdb51:one", "hmdb51: no split 'one'; say hmdb51:1 or hmdb51:2 or hmdb51:3."),
        ("kinetics400:1", "kinetics400: no split '1'; say kinetics400."),
        ("lables.csv", "lables.csv: no such CSV file, and no source of labels: ucf101:1, "),
        ("hmdb51:1", "hmdb51: no official lists (testTrainMulti_7030_splits/"),
    ],
)
def test_a_wrong_source_is_one_clear_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(CatalogError) as raised:
        labels_from(source, root=tmp_path)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_annotations_are_for_benchmarks(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="--annotations lists: tree has no official lists"):
        labels_from("tree", root=tmp_path, annotations=Path("lists"))


def test_a_tree_of_classes() -> None:
    ids = ["walk/a.mp4", "walk/deep/b.mp4", "run/c", "loose.mp4"]
    labels = labels_of_tree(ids)
    assert labels == Labels({"walk/a.mp4": "walk", "walk/deep/b.mp4": "walk", "run/c": "run"}, {})
    assert "1 of 4 videos have no label" in str(labels.gaps(ids))


def test_listed_videos_outside_the_folder_are_in_no_class() -> None:
    ids = ["walk/a.mp4", "run/b.mp4", "/elsewhere/sit/c.mp4"]
    assert labels_of_tree(ids) == Labels({"walk/a.mp4": "walk", "run/b.mp4": "run"}, {})


def test_a_tree_of_splits() -> None:
    ids = ["train/walk/a.mp4", "Validation/run/b", "testing/walk/c.mp4", "train/loose.mp4"]
    labels = labels_of_tree(ids)
    assert labels.label == dict(zip(ids[:3], ["walk", "run", "walk"], strict=True))
    assert labels.split == dict(zip(ids[:3], ["train", "val", "test"], strict=True))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["train/walk/a.mp4", "run/b.mp4"], "'train' and 'run' lie beside each other"),
        (["a.mp4", "b.mp4"], r"folders of 2 videos tell no two classes \(none is in a class\)"),
        (["train/a.mp4"], "none is in a class"),
        (["videos/walk/a.mp4", "videos/run/b.mp4"], "all 2 lie in 'videos'"),
    ],
)
def test_folders_that_tell_no_classes(ids: list[str], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        labels_of_tree(ids)


@given(st.permutations([f"{c}/v_{c}_g0{g}_c01.avi" for c in ("YoYo", "Archery") for g in (1, 2)]))
def test_the_order_of_videos_changes_no_row(ids: list[str]) -> None:
    assert labels_of_tree(ids) == labels_of_tree(sorted(ids))


def test_a_shuffled_directory_changes_nothing(
    tmp_path: Path, make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{label}/v{number} b.avi" for label in ("wave", "run") for number in range(9)]
    root = make_tree(tmp_path / "videos", names)
    for label in ("wave", "run"):
        lines = "".join(f"v{number} b.avi {number % 3}\n" for number in range(9))
        (tmp_path / f"{label}_test_split1.txt").write_text(lines)
    scandir = os.scandir

    def outcome(seed: int) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
        def shuffled(path: str) -> list[os.DirEntry[str]]:
            entries = list(scandir(path))
            random.Random(seed).shuffle(entries)
            return entries

        with monkeypatch.context() as patch:
            patch.setattr("slic.videos.scanning.os.scandir", shuffled)
            ids = [video.id for video in Catalog.from_folder(root, cache=False, progress=False)]
        labels = labels_from("hmdb51:1", root=root)(ids)
        return ids, list(labels.label.items()), list(labels.split.items())

    first = outcome(0)
    assert len(first[0]) == 18
    assert all(outcome(seed) == first for seed in range(1, 5))
