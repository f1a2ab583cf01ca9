"""Names follow content and time, can be undone, spread, judged, and carried elsewhere."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    MomentClassifier,
    classify_videos,
    create_index,
    export_labels,
    import_labels,
    labels_of_moments,
    list_labels,
    set_label,
    spread_labels,
    undo_label_change,
    update_index,
)
from slic.search.classifying import VideoPrediction
from slic.videos.catalog import Catalog
from slic.videos.video import Refused

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def called(index: Index) -> dict[int, str]:
    return {moment: label.label for moment, label in labels_of_moments(index).items()}


def test_naming_and_undoing(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4), "b": rows(3, seed=1)})
    states = [called(index)]
    for ids, name in (([1, 2], "wave"), ([2, 3], " kick "), ([1], None), ([5], "wave")):
        set_label(index, ids, name)
        states.append(called(index))
    assert states[-1] == {2: "kick", 3: "kick", 5: "wave"}
    assert [moment.label for moment in index.moments([1, 2])] == [None, "kick"]
    reopened = Index.open(index.path)
    for state in reversed(states[:-1]):
        assert undo_label_change(reopened) > 0
        assert called(reopened) == state
    assert undo_label_change(reopened) == 0


def test_what_changed_is_counted(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4)})
    assert set_label(index, [1, 1, 2], "wave").moments == 2
    assert set_label(index, [2, 2, 4], None).moments == 1
    assert set_label(index, [2, 4], None).moments == 0
    assert undo_label_change(index) == 1  # not the naming that came before
    assert called(index) == {1: "wave", 2: "wave"}


def test_only_the_last_change_is_undone_by_its_number(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4)})
    mine = set_label(index, [1], "mine").id
    theirs = set_label(index, [3], "theirs").id
    with pytest.raises(SearchError, match="Labels have changed since"):
        undo_label_change(index, change_id=mine)
    assert undo_label_change(index, change_id=theirs) == 1
    assert set_label(index, [4], "later").id != theirs  # no number is given twice
    with pytest.raises(SearchError, match="Labels have changed since"):
        undo_label_change(index, change_id=theirs)
    assert called(index) == {1: "mine", 4: "later"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\x1b[31m", "\u200d", "\u202eevil"])
def test_a_name_that_is_none_is_refused(fill: Fill, rows: Rows, name: str) -> None:
    index = fill({"a": rows(2)})
    with pytest.raises(SearchError, match="printable characters are needed"):
        set_label(index, [1], name)
    assert called(index) == {}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("می\u200cرود", "می\u200cرود"),
        ("👩\u200d🔬 lab", "👩\u200d🔬 lab"),
        ("歩く\u3000人", "歩く 人"),
        ("a\u00a0b", "a b"),
        (" two\nlines ", "two lines"),
    ],
)
def test_names_of_any_script_are_taken(fill: Fill, rows: Rows, given: str, kept: str) -> None:
    index = fill({"a": rows(2)})
    set_label(index, [1], given)
    assert called(index) == {1: kept}


def test_a_name_is_that_of_the_stretch_that_covers_most(fill: Fill, rows: Rows) -> None:
    """Slow truth: over all segments, the nearest of those that share enough."""
    index = fill({"a": rows(8)})
    segments = [(0.0, 2.0, "x"), (2.6, 4.6, "y"), (3.1, 9.0, "z"), (6.0, 6.9, "short")]
    with index.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO labels VALUES ('content of a', ?, ?, ?, 1.0, 'given')", segments
        )
    for moment in index.moments(index.ids()):
        start, end = moment.start_seconds, moment.end_seconds
        near = [
            (abs(s - start) + abs(e - end), s, name)
            for s, e, name in segments
            if min(e, end) - max(s, start) >= 0.6 * (end - start)
        ]
        assert moment.label == (min(near)[2] if near else None)


def test_names_survive_moving_deleting_and_another_window(
    tmp_path: Path, encoder: VideoEncoder, make_video: Callable[..., Path]
) -> None:
    videos = tmp_path / "videos"
    make_video(videos / "a.mp4", frames=100, size=(64, 48))

    def update(index: Index) -> None:
        catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
        update_index(index, catalog, workers=0, progress=False)

    index = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    update(index)
    set_label(index, [index.moment_at("a.mp4", 1.5)], "wave")
    (videos / "a.mp4").rename(tmp_path / "kept.mp4")
    make_video(videos / "other.mp4", frames=30, size=(64, 48))
    update(index)
    assert called(index) == {}
    assert [name.path for name in list_labels(index)] == [None]
    shutil.move(tmp_path / "kept.mp4", videos / "b.mp4")
    update(index)
    (moment,) = index.moments(list(called(index)))
    assert (moment.path, moment.start_seconds, moment.label) == ("b.mp4", 1.0, "wave")
    assert export_labels(index, tmp_path / "names.csv") == 1
    finer = create_index(tmp_path / "finer", encoder, window_seconds=0.8, stride_seconds=0.2)
    update(finer)
    assert import_labels(finer, tmp_path / "names.csv") == 1
    named = finer.moments(list(called(finer)))
    assert [m.start_seconds for m in named] == pytest.approx([0.8, 1.0, 1.2, 1.4])


def kinds(rows: Rows, count: int, *, seed: int) -> np.ndarray:
    """Return ``count`` moments around each of three directions, one kind after the other."""
    x = np.repeat(rows(3, seed=42), count, axis=0) + 0.25 * rows(3 * count, seed=seed)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def named(fill: Fill, rows: Rows) -> Index:
    """Return an index of three kinds in four videos; of the first two kinds some are named."""
    index = fill({f"{i}.mp4": kinds(rows, 6, seed=i) for i in range(4)})
    for video in range(2):
        set_label(index, [18 * video + i for i in (1, 2, 3)], "wave")
        set_label(index, [18 * video + i for i in (7, 8, 9)], "kick")
    return index


def test_a_classifier_knows_what_it_was_shown_and_says_unknown_else(
    named: Index, rows: Rows
) -> None:
    classifier = MomentClassifier.from_index(named)
    assert classifier.labels == ["kick", "wave"]
    assert classifier.check.right > 0.8
    assert classifier.check.wrong == 0.0
    found = classifier.predict(kinds(rows, 10, seed=77))
    assert [p.guess for p in found[:20]] == ["wave"] * 10 + ["kick"] * 10
    assert sum(p.label is not None for p in found[:20]) > 12
    assert all(p.label is None for p in found[20:])  # the kind that nobody named


def test_votes_and_threshold_by_loops(named: Index, rows: Rows) -> None:
    classifier = MomentClassifier.from_index(named)
    names = labels_of_moments(named)
    moments = named.moments(sorted(names))
    x = {m.id: v for m, v in zip(moments, named.vectors(sorted(names)), strict=True)}
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


def test_copies_do_not_vouch_for_each_other(named: Index, add: Callable[..., list[int]]) -> None:
    alone = MomentClassifier.from_index(named)
    for video in named.videos():
        ids = named.matching(f"video_id = {video.id}")
        add(named, f"copy of {video.path}", named.vectors(ids))
    with named.database.transaction() as connection:
        connection.execute("UPDATE videos SET content_id = replace(content_id, 'copy of ', '')")
    both = MomentClassifier.from_index(named)
    assert len(labels_of_moments(named)) == 24  # a name is the content's, so the copies have it too
    assert both.threshold == pytest.approx(alone.threshold, abs=0.01)  # 1.0 if they did


def test_spread_names_are_marked_replaced_and_undone(named: Index) -> None:
    before = called(named)
    count = spread_labels(named, least_confidence=0.8)
    after = labels_of_moments(named)
    spread = {i: name for i, name in after.items() if name.source == "spread"}
    assert len(spread) == count > 5
    assert {i: n.label for i, n in after.items() if n.source == "given"} == before
    assert all(0.8 <= name.confidence < 1.0 for name in spread.values())
    kind = {i: (i - 1) % 18 // 6 for i in after}
    assert {(kind[i], name.label) for i, name in after.items()} == {(0, "wave"), (1, "kick")}
    assert (
        MomentClassifier.from_index(named).check == MomentClassifier.from_index(named, seed=0).check
    )
    assert spread_labels(named, least_confidence=0.8) == count  # learnt from what was given only
    undo_label_change(named)
    undo_label_change(named)
    assert called(named) == before


def test_one_name_of_each_and_too_few_names(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(9)})
    with pytest.raises(SearchError, match="0 moments are labelled, at least 2"):
        MomentClassifier.from_index(index)
    set_label(index, [1], "x")
    set_label(index, [5], "y")
    ones = index.vectors([1, 5])
    classifier = MomentClassifier.from_index(index)
    assert classifier.threshold == pytest.approx((1 + max(0.0, float(ones[0] @ ones[1]))) / 2)
    assert [p.label for p in classifier.predict(ones)] == ["x", "y"]


def test_exports_read_back_and_fiftyone_finds_its_folder(
    named: Index, tmp_path: Path, fill: Fill, rows: Rows
) -> None:
    spread_labels(named, least_confidence=0.8)
    count = len(list_labels(named))
    for file in ("names.csv", "names.json"):
        assert export_labels(named, tmp_path / file) == count
        other = fill({"x": rows(2)}, name=f"index of {file}")
        assert import_labels(other, tmp_path / file) == count
        assert [(n.content_id, n.label, n.confidence, n.source) for n in list_labels(other)] == [
            (n.content_id, n.label, n.confidence, n.source)
            for n in sorted(list_labels(named), key=lambda n: (n.content_id, n.start_seconds))
        ]
    with (tmp_path / "names.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == count
    export_labels(named, tmp_path / "fiftyone")
    labels = json.loads((tmp_path / "fiftyone" / "labels.json").read_text())
    data = json.loads((tmp_path / "fiftyone" / "data.json").read_text())
    assert labels["classes"] == ["kick", "wave"]
    assert labels["labels"].keys() == data.keys()
    assert sum(map(len, labels["labels"].values())) == count
    assert sorted(data.values()) == [f"/v/{i}.mp4" for i in range(4)]
    row = '{"content_id": "f", "start_seconds": 0, "end_seconds": %s, "label": %s,'
    row += ' "confidence": 1, "source": "given"}'
    for text in (
        "not names",
        '[{"label": "x"}]',
        f"[{row % ('NaN', 1)}]",
        f"[{row % (1, 5)}]",
        "[5]",
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(SearchError, match="these labels cannot be read"):
            import_labels(named, tmp_path / "bad.json")


def test_classified_videos_have_stretches_and_a_verdict(
    tmp_path: Path, encoder: VideoEncoder, make_video: Callable[..., Path]
) -> None:
    make_video(tmp_path / "videos" / "a.mp4", frames=120, size=(64, 48))
    catalog = Catalog.from_folder(tmp_path / "videos", workers=1, cache=False, progress=False)
    index = create_index(tmp_path / "index", encoder, window_seconds=1.0, stride_seconds=1.0)
    update_index(index, catalog, workers=0, progress=False)
    ids = index.ids().tolist()
    set_label(index, ids[:2], "start")
    set_label(index, ids[2:], "end")
    broken = tmp_path / "b.mp4"
    shutil.copy(tmp_path / "videos" / "a.mp4", broken)
    videos = [*catalog, *[type(v)(**{**vars(v), "frames": 999, "id": "b"}) for v in catalog]]
    verdict, refused = classify_videos(
        index, MomentClassifier.from_index(index), videos, workers=0, progress=False
    )
    assert isinstance(refused, Refused)
    assert isinstance(verdict, VideoPrediction)
    assert verdict.path == "a.mp4"
    assert verdict.segments[0].start_seconds == 0.0
    assert verdict.segments[-1].end_seconds == pytest.approx(4.8)
    told = {segment.label for segment in verdict.segments}
    assert told <= {"start", "end", None}
    assert verdict.label in told
