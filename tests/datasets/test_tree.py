"""Folders as labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.datasets import Labels
from slic.datasets.tree import labels_of_tree
from slic.errors import LabelError


def test_a_tree_of_classes() -> None:
    ids = ["walk/a.mp4", "walk/deep/b.mp4", "run/c", "loose.mp4"]
    labels = labels_of_tree(ids)
    assert labels == Labels({"walk/a.mp4": "walk", "walk/deep/b.mp4": "walk", "run/c": "run"}, {})
    assert "1 of 4 videos have no label" in str(labels.describe_mismatch(ids))


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
        (["train/walk/a.mp4", "run/b.mp4"], "'train' and 'run' are siblings"),
        (["a.mp4", "b.mp4"], r"folders of 2 videos do not give two classes \(none is in a class\)"),
        (["train/a.mp4"], "none is in a class"),
        (["videos/walk/a.mp4", "videos/run/b.mp4"], "all 2 are in 'videos'"),
    ],
)
def test_folders_without_two_classes(ids: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        labels_of_tree(ids)


@given(st.permutations([f"{c}/v_{c}_g0{g}_c01.avi" for c in ("YoYo", "Archery") for g in (1, 2)]))
def test_the_order_of_videos_changes_no_row(ids: list[str]) -> None:
    assert labels_of_tree(ids) == labels_of_tree(sorted(ids))
