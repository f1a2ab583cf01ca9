"""Labels from files: which videos they reach, which rows win, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.datasets import read_labels
from slic.errors import FormatError, LabelError
from slic.search import (
    LABEL_FILES,
    Index,
    Label,
    export_labels,
    import_labels,
    labels_of_moments,
    list_labels,
    set_label,
    spread_labels,
    undo_label_change,
)
from slic.search.labels import write_labels
from slic.search.repository.labels import LabelValue, Segment

Add = Callable[..., list[int]]
Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def without_paths(index: Index) -> list[tuple[object, ...]]:
    labels = sorted(list_labels(index), key=lambda x: (x.content_id, x.start_seconds))
    return [(x.content_id, x.start_seconds, x.label, x.confidence, x.source) for x in labels]


def test_segments_are_carried_to_another_index(
    labelled: Index, tmp_path: Path, fill: Fill, rows: Rows
) -> None:
    spread_labels(labelled, min_confidence=0.8)
    count = len(list_labels(labelled))
    assert count > 12
    assert export_labels(labelled, tmp_path / "labels.json") == count
    other = fill({"x": rows(2)}, name="other")
    imported = import_labels(other, tmp_path / "labels.json")
    assert (imported.labels, imported.unknown_labels, imported.replaced) == (count, 0, ())
    assert without_paths(other) == without_paths(labelled)
    assert undo_label_change(other, change_id=imported.change_id) == count


def test_a_table_of_video_labels_labels_whole_videos(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3), "b.mp4": rows(2), "c.mp4": rows(2)})
    text = "path,label,split\na.mp4,walk,train\n/v/b.mp4, run ,test\nelsewhere.mp4,wave,test\n"
    (tmp_path / "labels.csv").write_text(text)
    assert import_labels(index, tmp_path / "labels.csv").labels == 2
    found = {moment: value.label for moment, value in labels_of_moments(index).items()}
    assert found == {1: "walk", 2: "walk", 3: "walk", 4: "run", 5: "run"}
    set_label(index, [2], "wave")  # a segment nearer to the moment than the whole video
    assert labels_of_moments(index)[2].label == "wave"
    assert read_labels(tmp_path / "labels.csv").label["a.mp4"] == "walk"


def test_of_two_labels_for_a_segment_the_later_one_stays_and_both_are_named(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3)})
    text = (
        "path,label,start,end\na.mp4,walk,0,2\n./a.mp4,run,0,2.0\na.mp4,jump,0.5,2\na.mp4,run,0,2\n"
    )
    (tmp_path / "labels.csv").write_text(text)
    imported = import_labels(index, tmp_path / "labels.csv")
    assert imported.labels == 2
    assert imported.replaced == ("line 2 'walk', line 3 'run'",)
    found = [(x.start_seconds, x.end_seconds, x.label) for x in list_labels(index)]
    assert found == [(0.0, 2.0, "run"), (0.5, 2.0, "jump")]


def entry(**change: object) -> dict[str, object]:
    row = {"content_id": "f", "start_seconds": 0, "end_seconds": 1, "label": "x"}
    return row | {"confidence": 1, "source": "given"} | change


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "not labels", "cannot be read as labels"),
        ("a.json", "[5]", "is in none of the formats csv, slic, activitynet, label-studio, cvat,"),
        ("a.json", '{"format": 1}', "cannot be read as labels"),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [{"content_id": "x"}]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(end_seconds=float("nan"))]}),
            "label 1: the times 0.0 to nan are not finite",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(end_seconds=10**400)]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(label=5)]}),
            r"cannot be read as labels \(label 1: label: 5 is not a text\)",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(source="guessed")]}),
            r"cannot be read as labels \(label 1: source 'guessed' is neither given nor",
        ),
        ("a.csv", "path\na.mp4\n", r"cannot be read as labels \(no column 'label'"),
        ("a.csv", "path,label\nelsewhere.mp4,x\n", "none of its 1 videos is in"),
        ("a.csv", ",".join(entry()) + "\n" + "f" * 200_000, "cannot be read as labels"),
        ("missing/a.csv", "", "cannot be read as labels"),
    ],
)
def test_a_file_that_has_no_labels_is_one_line(
    fill: Fill, rows: Rows, tmp_path: Path, name: str, text: str, message: str
) -> None:
    index = fill({"a.mp4": rows(2)})
    if "/" not in name:
        (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=rf"{name}: {message}"):
        import_labels(index, tmp_path / name)
    assert list_labels(index) == []


def test_another_format_of_labels_is_refused(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": 2, "labels": []}')
    with pytest.raises(FormatError, match=r"have format 2, .* reads format 1; .*`slic labels exp"):
        import_labels(fill({"a": rows(1)}), tmp_path / "a.json")


def test_labels_of_contents_that_come_later_are_kept(
    fill: Fill, rows: Rows, add: Add, tmp_path: Path
) -> None:
    elsewhere = fill({"a": rows(4)}, name="elsewhere")
    set_label(elsewhere, [1, 3], "wave")
    export_labels(elsewhere, tmp_path / "labels.json")
    here = fill({"b": rows(4)})
    import_labels(here, tmp_path / "labels.json")
    assert list_labels(here)[0] == Label(
        path=None, content_id="content of a", start_seconds=0.0, end_seconds=2.0, label="wave",
        confidence=1.0, source="given",
    )  # fmt: skip
    assert labels_of_moments(here) == {}
    add(here, "a", rows(4))
    assert [moment.label for moment in here.moments([5, 6, 7, 8])] == ["wave", None, "wave", None]


@pytest.mark.parametrize("name", LABEL_FILES)
def test_importing_into_the_same_index_changes_nothing(
    odd_index: Index, tmp_path: Path, name: str
) -> None:
    before = list_labels(odd_index)
    export_labels(odd_index, tmp_path / "labels", format=name)
    imported = import_labels(odd_index, tmp_path / "labels", format=name)
    after = list_labels(odd_index)
    undo_label_change(odd_index, change_id=imported.change_id)
    assert (imported.labels, imported.replaced) == (1000, ())
    assert after == before == list_labels(odd_index)


@pytest.mark.parametrize("name", ["label-studio", "cvat"])
def test_a_label_that_was_corrected_in_a_tool_replaces_the_former_one(
    fill: Fill, rows: Rows, tmp_path: Path, name: str
) -> None:
    index = fill({"a.mp4": rows(3)})
    value = LabelValue("walk", 1.0, "given")
    write_labels(index, [(Segment("content of a.mp4", 0.013, 1.989), value)])
    file = tmp_path / "labels"
    export_labels(index, file, format=name)
    for part in [file] if file.is_file() else list(file.iterdir()):
        part.write_text(part.read_text().replace("walk", "run"))
    assert import_labels(index, file).labels == 1
    found = [(x.start_seconds, x.end_seconds, x.label) for x in list_labels(index)]
    assert found == [(0.013, 1.989, "run")]


def test_replace_removes_labels_of_the_videos_in_the_file_only(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3), "b.mp4": rows(3)})
    set_label(index, [1, 3, 4], "wave")
    (tmp_path / "labels.csv").write_text("path,label,start,end\na.mp4,run,0,2\n")
    before = list_labels(index)
    import_labels(index, tmp_path / "labels.csv", replace=True)
    found = [(x.path, x.start_seconds, x.label) for x in list_labels(index)]
    assert found == [("a.mp4", 0.0, "run"), ("b.mp4", 0.0, "wave")]
    undo_label_change(index)
    assert list_labels(index) == before
