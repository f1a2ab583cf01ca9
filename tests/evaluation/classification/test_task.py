"""Labels become class numbers; accuracies equal plain loops, and every test video counts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slic.errors import LabelError, SlicError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification import ClassificationTask
from slic.videos.catalog import Catalog
from slic.videos.video import Video


def test_every_video_has_the_number_of_its_label(
    split: LabelledSplit, task: ClassificationTask
) -> None:
    assert task.classes == ("fall", "rise")
    assert [task.classes[target] for target in task.train_targets] == split.train_labels
    assert [task.classes[target] for target in task.test_targets] == split.test_labels
    assert (len(task.train), len(task.test), task.absent) == (16, 8, ())
    assert (task.chance, task.majority) == (0.5, 0.5)


def test_the_majority_is_that_of_the_training_videos(task: ClassificationTask) -> None:
    targets = task.test_targets.copy()
    targets[:] = 1
    targets[0] = 0
    mostly_fall = task.train_targets.copy()
    mostly_fall[:9] = 0
    skewed = replace(task, train_targets=mostly_fall, test_targets=targets)
    assert skewed.majority == pytest.approx(1 / 8)


def test_absent_test_videos_are_kept(split: LabelledSplit) -> None:
    partial = replace(split, absent_test=("lost.mp4",), absent_train=("other.mp4",))
    assert ClassificationTask.from_split(partial).absent == ("lost.mp4",)


def test_a_test_label_that_no_training_video_has_is_named(split: LabelledSplit) -> None:
    spinning = replace(split, test_labels=["spin"] * 8)
    with pytest.raises(LabelError, match=r"8 test videos have a label that no training .* 'spin'"):
        ClassificationTask.from_split(spinning)


def test_one_label_is_not_a_task(split: LabelledSplit) -> None:
    with pytest.raises(LabelError, match="only the label 'rise'; give two or more"):
        ClassificationTask.from_split(replace(split, train_labels=["rise"] * 16))


def task_of(targets: list[int], *, classes: int) -> ClassificationTask:
    """Return a task whose video files do not exist."""
    videos = tuple(
        Video(id=f"{i}", path=Path(), frames=9, fps=25.0, width=8, height=8)
        for i in range(len(targets))
    )
    catalog = Catalog(Path(), videos)
    return ClassificationTask(
        classes=tuple(f"action {c}" for c in range(classes)),
        train=catalog,
        train_targets=np.array(targets),
        test=catalog,
        test_targets=np.array(targets),
    )


@pytest.mark.parametrize("seed", range(3))
def test_scores_match_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 7, 40).tolist()  # class 7 has no test video
    p = rng.dirichlet(np.ones(8), 40)
    scores = task_of(targets, classes=8).score(p, protocol="a test")
    named = [max(range(8), key=lambda c: row[c]) for row in p]
    best = [sorted(range(8), key=lambda c: -row[c])[:5] for row in p]
    assert scores.top_1 == pytest.approx(
        sum(n == t for n, t in zip(named, targets, strict=True)) / 40
    )
    assert scores.top_5 == pytest.approx(
        sum(t in five for t, five in zip(targets, best, strict=True)) / 40
    )
    shares = {}
    for c in sorted(set(targets)):
        of_class = [n == c for n, t in zip(named, targets, strict=True) if t == c]
        shares[f"action {c}"] = sum(of_class) / len(of_class)
    assert scores.class_accuracy == pytest.approx(shares)
    assert scores.mean_class_accuracy == pytest.approx(sum(shares.values()) / len(shares))
    for true in range(8):
        for other in range(8):
            pairs = zip(targets, named, strict=True)
            count = sum((t, n) == (true, other) for t, n in pairs)
            assert scores.confusion[true][other] == count
    assert np.sum(scores.confusion) == scores.videos == 40
    assert scores.chance == 1 / 8


def test_top_5_of_five_classes_is_left_out() -> None:
    scores = task_of([0, 1, 2, 3, 4], classes=5).score(np.eye(5), protocol="a test")
    assert (scores.top_1, scores.top_5) == (1.0, None)
    assert "top-5" not in scores.table()


def test_the_table_and_the_json_have_all_numbers_and_the_protocol() -> None:
    task = replace(task_of([0, 1, 1], classes=6), absent=("lost.mp4",))
    scores = task.score(np.eye(6)[[0, 1, 0]], protocol="finetune: in a test")
    table, as_json = scores.table(), json.loads(json.dumps(scores.as_dict()))
    assert "classification (finetune: in a test)" in table
    assert "3 test videos, 6 classes, trained on 3 videos; 1 more test videos cannot be" in table
    assert as_json["protocol"] == "finetune: in a test"
    assert (as_json["top_1"], as_json["top_5"]) == (pytest.approx(2 / 3), 1.0)
    assert (as_json["absent"], as_json["confusion"][1][:2]) == (["lost.mp4"], [1, 1])


def test_a_probability_that_is_not_finite_is_named() -> None:
    p = np.full((2, 3), 1 / 3)
    p[1, 0] = np.nan
    with pytest.raises(SlicError, match="1: its predicted probabilities are not finite"):
        task_of([0, 1], classes=3).score(p, protocol="a test")
