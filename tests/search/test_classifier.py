"""The classifier knows what it was given, says unknown otherwise, and votes as the definition."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import LabelError
from slic.search import (
    Index,
    MomentClassifier,
    labels_of_moments,
    set_label,
    spread_labels,
    undo_label_change,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def labels_by_id(index: Index) -> dict[int, str]:
    return {moment: label.label for moment, label in labels_of_moments(index).items()}


def test_unknown_kinds_are_unknown(labelled: Index, kinds: Rows) -> None:
    classifier = MomentClassifier.from_index(labelled)
    assert classifier.labels == ["kick", "wave"]
    assert classifier.scores.correct > 0.8
    assert classifier.scores.wrong == 0.0
    found = classifier.predict(kinds(10, seed=77))
    assert [p.guess for p in found[:20]] == ["wave"] * 10 + ["kick"] * 10
    assert sum(p.label is not None for p in found[:20]) > 12
    assert all(p.label is None for p in found[20:])  # the kind that nobody labelled


def test_votes_and_threshold_by_loops(labelled: Index, rows: Rows) -> None:
    classifier = MomentClassifier.from_index(labelled)
    given = labels_of_moments(labelled)
    moments = labelled.moments(sorted(given))
    x = {m.id: v for m, v in zip(moments, labelled.vectors(sorted(given)), strict=True)}
    nearest = [
        max(
            float(x[one.id] @ x[other.id])
            for other in moments
            if other.label == one.label and other.video_id != one.video_id
        )
        for one in moments
    ]
    assert classifier.threshold == pytest.approx(np.quantile(nearest, 0.05), abs=1e-5)
    for query, prediction in zip(rows(5), classifier.predict(rows(5)), strict=True):
        voters = sorted(moments, key=lambda m: -float(query @ x[m.id]))[:10]
        votes = {"wave": 0.0, "kick": 0.0}
        for m in voters:
            votes[m.label or ""] += np.exp(float(query @ x[m.id]) / 0.07)
        assert prediction.guess == max(votes, key=lambda name: votes[name])
        share = votes[prediction.guess] / sum(votes.values())
        assert prediction.confidence == pytest.approx(share, rel=1e-3)


def test_copies_do_not_vouch_for_each_other(labelled: Index, add: Callable[..., list[int]]) -> None:
    alone = MomentClassifier.from_index(labelled)
    for video in labelled.videos():
        ids = labelled.matching(f"video_id = {video.id}")
        add(labelled, f"copy of {video.path}", labelled.vectors(ids))
    with labelled.database.transaction() as connection:
        connection.execute("UPDATE videos SET content_id = replace(content_id, 'copy of ', '')")
    both = MomentClassifier.from_index(labelled)
    assert (
        len(labels_of_moments(labelled)) == 24
    )  # a label is the content's, so the copies have it too
    assert both.threshold == pytest.approx(alone.threshold, abs=0.01)  # 1.0 if they did


def test_spread_labels_are_marked_replaced_and_undone(labelled: Index) -> None:
    before = labels_by_id(labelled)
    count = spread_labels(labelled, min_confidence=0.8)
    after = labels_of_moments(labelled)
    spread = {i: name for i, name in after.items() if name.source == "spread"}
    assert len(spread) == count > 5
    assert {i: n.label for i, n in after.items() if n.source == "given"} == before
    assert all(0.8 <= name.confidence < 1.0 for name in spread.values())
    kind = {i: (i - 1) % 18 // 6 for i in after}
    assert {(kind[i], name.label) for i, name in after.items()} == {(0, "wave"), (1, "kick")}
    assert (
        MomentClassifier.from_index(labelled).scores
        == MomentClassifier.from_index(labelled, seed=0).scores
    )
    assert spread_labels(labelled, min_confidence=0.8) == count  # learnt from what was given only
    undo_label_change(labelled)
    undo_label_change(labelled)
    assert labels_by_id(labelled) == before


def test_one_moment_per_label_and_too_few_labels(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(9)})
    with pytest.raises(LabelError, match="0 moments are labelled, at least 2"):
        MomentClassifier.from_index(index)
    set_label(index, [1], "x")
    set_label(index, [5], "y")
    ones = index.vectors([1, 5])
    classifier = MomentClassifier.from_index(index)
    assert classifier.threshold == pytest.approx((1 + max(0.0, float(ones[0] @ ones[1]))) / 2)
    assert [p.label for p in classifier.predict(ones)] == ["x", "y"]
