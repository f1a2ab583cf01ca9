"""Which videos are learnt from and tested on, and what cannot be a problem."""

from dataclasses import replace

import pytest

from slic.datasets import Labels
from slic.errors import CatalogError, LabelError
from slic.evaluation.classification import Problem, split_videos
from slic.videos.catalog import Catalog


def test_every_video_has_its_class(problem: Problem, labels: Labels) -> None:
    assert problem.classes == ("fall", "rise")
    for videos, targets in (
        (problem.train, problem.train_targets),
        (problem.test, problem.test_targets),
    ):
        for video, target in zip(videos, targets, strict=True):
            assert labels.label[video.id] == problem.classes[target]
    assert (len(problem.train), len(problem.test), problem.absent) == (16, 8, ())
    assert (problem.chance, problem.majority) == (0.5, 0.5)


def test_the_majority_is_that_of_the_training_videos(problem: Problem) -> None:
    targets = problem.test_targets.copy()
    targets[:] = 1
    targets[0] = 0
    mostly_fall = problem.train_targets.copy()
    mostly_fall[:9] = 0
    skewed = replace(problem, train_targets=mostly_fall, test_targets=targets)
    assert skewed.majority == pytest.approx(1 / 8)


def test_test_videos_that_are_not_there_are_named(catalog: Catalog, labels: Labels) -> None:
    fewer = catalog.subset([video.id for video in catalog if video.id != "test/20.mp4"])
    problem = split_videos(fewer, labels, train="train", test="test")
    assert (len(problem.test), problem.absent) == (7, ("test/20.mp4",))


def relabelled(labels: Labels, split: str, label: str) -> Labels:
    """Return the labels with every video of a split given this one."""
    ids = labels.ids(split)
    return replace(labels, label={**labels.label, **dict.fromkeys(ids, label)})


def test_a_class_that_nobody_could_learn_is_named(catalog: Catalog, labels: Labels) -> None:
    with pytest.raises(CatalogError, match="8 videos of split 'test' have a class without a"):
        split_videos(catalog, relabelled(labels, "test", "spin"), train="train", test="test")


def test_one_class_is_no_problem(catalog: Catalog, labels: Labels) -> None:
    with pytest.raises(CatalogError, match="split 'train' has only the class 'rise'"):
        split_videos(catalog, relabelled(labels, "train", "rise"), train="train", test="test")


def test_splits_that_cannot_be(catalog: Catalog, labels: Labels) -> None:
    with pytest.raises(CatalogError, match="'train' cannot be both learnt from and tested on"):
        split_videos(catalog, labels, train="train", test="train")
    with pytest.raises(LabelError, match="no video is in split 'val'"):
        split_videos(catalog, labels, train="train", test="val")
    to_learn = catalog.subset(labels.ids("train"))
    with pytest.raises(CatalogError, match="none of the 8 videos of split 'test' is usable"):
        split_videos(to_learn, labels, train="train", test="test")
