"""Labels follow content and time, and every change can be undone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import LabelError, SearchError
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    create_index,
    export_labels,
    import_labels,
    labels_of_moments,
    list_labels,
    set_label,
    undo_label_change,
    update_index,
)
from slic.search.labels import segments_of, write_labels
from slic.search.repository.labels import LabelValue, Segment
from slic.videos.catalog import Catalog

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def labels_by_id(index: Index) -> dict[int, str]:
    return {moment: label.label for moment, label in labels_of_moments(index).items()}


def test_setting_and_undoing(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4), "b": rows(3, seed=1)})
    states = [labels_by_id(index)]
    for ids, name in (([1, 2], "wave"), ([2, 3], " kick "), ([1], None), ([5], "wave")):
        set_label(index, ids, name)
        states.append(labels_by_id(index))
    assert states[-1] == {2: "kick", 3: "kick", 5: "wave"}
    assert [moment.label for moment in index.moments([1, 2])] == [None, "kick"]
    reopened = Index.open(index.path)
    for state in reversed(states[:-1]):
        assert undo_label_change(reopened) > 0
        assert labels_by_id(reopened) == state
    assert undo_label_change(reopened) == 0


def test_what_changed_is_counted(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4)})
    assert set_label(index, [1, 1, 2], "wave").moments == 2
    assert set_label(index, [2, 2, 4], None).moments == 1
    assert set_label(index, [2, 4], None).moments == 0
    assert undo_label_change(index) == 1  # not the change before
    assert labels_by_id(index) == {1: "wave", 2: "wave"}


def test_only_the_last_change_is_undone_by_its_number(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(4)})
    mine = set_label(index, [1], "mine").id
    theirs = set_label(index, [3], "theirs").id
    with pytest.raises(LabelError, match="Labels have changed since"):
        undo_label_change(index, change_id=mine)
    assert undo_label_change(index, change_id=theirs) == 1
    assert set_label(index, [4], "later").id != theirs  # no number is given twice
    with pytest.raises(LabelError, match="Labels have changed since"):
        undo_label_change(index, change_id=theirs)
    assert labels_by_id(index) == {1: "mine", 4: "later"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\x1b[31m", "\u200d", "\u202eevil"])
def test_an_invalid_label_is_refused(fill: Fill, rows: Rows, name: str) -> None:
    index = fill({"a": rows(2)})
    with pytest.raises(LabelError, match="printable characters"):
        set_label(index, [1], name)
    with pytest.raises(LabelError, match="printable characters"):
        set_label(index, [], name)
    assert labels_by_id(index) == {}


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
def test_labels_of_any_script_are_taken(fill: Fill, rows: Rows, given: str, kept: str) -> None:
    index = fill({"a": rows(2)})
    set_label(index, [1], given)
    assert labels_by_id(index) == {1: kept}


def test_labels_survive_moving_deleting_and_another_window(
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
    assert labels_by_id(index) == {}
    assert [label.path for label in list_labels(index)] == [None]
    shutil.move(tmp_path / "kept.mp4", videos / "b.mp4")
    update(index)
    (moment,) = index.moments(list(labels_by_id(index)))
    assert (moment.path, moment.start_seconds, moment.label) == ("b.mp4", 1.0, "wave")
    assert export_labels(index, tmp_path / "labels.json") == 1
    finer = create_index(tmp_path / "finer", encoder, window_seconds=0.8, stride_seconds=0.2)
    update(finer)
    assert import_labels(finer, tmp_path / "labels.json").labels == 1
    named = finer.moments(list(labels_by_id(finer)))
    assert [m.start_seconds for m in named] == pytest.approx([0.8, 1.0, 1.2, 1.4])


def test_one_bad_label_of_many_writes_none(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(3)})
    segments = segments_of(index, [1, 2])
    labels = [
        (segments[0], LabelValue("wave", 1.0, "given")),
        (segments[1], LabelValue("", 1.0, "given")),
    ]
    with pytest.raises(LabelError, match="printable characters"):
        write_labels(index, labels)
    assert labels_by_id(index) == {}
    assert undo_label_change(index) == 0


def test_segments_are_those_of_the_moments(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2), "b": rows(1)})
    assert segments_of(index, [3, 2]) == [
        Segment("content of b", 0.0, 2.0),
        Segment("content of a", 1.0, 3.0),
    ]
    with pytest.raises(SearchError, match="there is no moment 9"):
        set_label(index, [1, 9], "wave")
    assert labels_by_id(index) == {}
