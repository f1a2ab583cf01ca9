"""A split holds the usable videos of two named splits, and names what is wrong with them."""

import pytest

from slic.datasets import Labels
from slic.errors import LabelError, SlicError
from slic.evaluation.base import split_by_labels
from slic.videos.catalog import Catalog


def test_a_split_has_the_usable_videos_and_the_absent_ids(
    six_videos: Catalog, seven_labels: Labels
) -> None:
    split = split_by_labels(six_videos, seven_labels)
    assert [v.id for v in split.test] == ["0.mp4", "1.mp4"]
    assert [v.id for v in split.train] == ["2.mp4", "3.mp4", "4.mp4", "5.mp4"]
    assert (split.test_labels, split.train_labels) == (["a", "b"], ["a", "b", "a", "b"])
    assert (split.absent_test, split.absent_train) == ((), ("6.mp4",))
    swapped = split_by_labels(six_videos, seven_labels, train="test", test="train")
    assert (swapped.absent_test, swapped.absent) == (("6.mp4",), ("6.mp4",))


def test_an_unknown_split_names_the_known_ones(six_videos: Catalog, seven_labels: Labels) -> None:
    with pytest.raises(SlicError, match=r"'val'; splits in the file: test, train"):
        split_by_labels(six_videos, seven_labels, test="val")


def test_a_split_cannot_be_both_parts(six_videos: Catalog, seven_labels: Labels) -> None:
    with pytest.raises(LabelError, match="'train' cannot be both the training part"):
        split_by_labels(six_videos, seven_labels, train="train", test="train")


def test_a_split_without_a_usable_video_is_named(six_videos: Catalog, seven_labels: Labels) -> None:
    training_only = six_videos.subset([f"{n}.mp4" for n in range(2, 6)])
    with pytest.raises(LabelError, match="none of the 2 videos of split 'test' is usable"):
        split_by_labels(training_only, seven_labels)
