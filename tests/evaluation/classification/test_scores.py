"""Accuracies against plain loops; every test video counts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SlicError
from slic.evaluation.classification import Problem
from slic.evaluation.classification.scores import score
from slic.videos.catalog import Catalog
from slic.videos.video import Video


def problem_of(targets: list[int], *, classes: int) -> Problem:
    """Return a problem whose videos nobody opens."""
    videos = tuple(
        Video(id=f"{i}", path=Path(), frames=9, fps=25.0, width=8, height=8)
        for i in range(len(targets))
    )
    catalog = Catalog(Path(), videos)
    return Problem(
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
    scores = score(p, problem_of(targets, classes=8), protocol="a test")
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


def test_top_5_of_five_classes_says_nothing_and_is_left_out() -> None:
    scores = score(np.eye(5), problem_of([0, 1, 2, 3, 4], classes=5), protocol="a test")
    assert (scores.top_1, scores.top_5) == (1.0, None)
    assert "top-5" not in scores.table()


def test_the_table_and_the_json_say_all() -> None:
    problem = replace(problem_of([0, 1, 1], classes=6), absent=("lost.mp4",))
    scores = score(np.eye(6)[[0, 1, 0]], problem, protocol="finetune: in a test")
    table, told = scores.table(), json.loads(json.dumps(scores.as_dict()))
    assert "classification (finetune: in a test)" in table
    assert "3 test videos, 6 classes, learnt from 3 videos; 1 more of the split" in table
    assert told["protocol"] == "finetune: in a test"
    assert (told["top_1"], told["top_5"]) == (pytest.approx(2 / 3), 1.0)
    assert (told["absent"], told["confusion"][1][:2]) == (["lost.mp4"], [1, 1])


def test_what_is_no_number_is_named() -> None:
    p = np.full((2, 3), 1 / 3)
    p[1, 0] = np.nan
    with pytest.raises(SlicError, match="1: its predicted probabilities are not finite"):
        score(p, problem_of([0, 1], classes=3), protocol="a test")
