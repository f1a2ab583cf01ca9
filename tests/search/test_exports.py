"""Exports are read back, by this package and by others."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.datasets import labels_from
from slic.errors import FormatError, LabelError
from slic.search import (
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
from slic.search.exports import covered_seconds
from slic.search.labels import write_labels
from slic.search.repository.labels import LabelValue, Segment

Add = Callable[..., list[int]]
Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def without_paths(index: Index) -> list[tuple[object, ...]]:
    labels = sorted(list_labels(index), key=lambda x: (x.content_id, x.start_seconds))
    return [(x.content_id, x.start_seconds, x.label, x.confidence, x.source) for x in labels]


@pytest.mark.parametrize("file", ["labels.csv", "labels.json"])
def test_segments_are_carried_to_another_index(
    labelled: Index, tmp_path: Path, fill: Fill, rows: Rows, file: str
) -> None:
    spread_labels(labelled, min_confidence=0.8)
    count = len(list_labels(labelled))
    assert count > 12
    assert export_labels(labelled, tmp_path / file, per_segment=True) == count
    other = fill({"x": rows(2)}, name="other")
    assert import_labels(other, tmp_path / file) == count
    assert without_paths(other) == without_paths(labelled)
    assert undo_label_change(other) == count


def label_segments(index: Index, *segments: tuple[str, float, float, str]) -> None:
    values = [
        (Segment(f"content of {path}", start, end), LabelValue(label, 1.0, "given"))
        for path, start, end, label in segments
    ]
    write_labels(index, values)


def table(path: Path) -> dict[str, str]:
    """Return the labels that other commands read from an export, by video."""
    ids = [row["path"] for row in csv.DictReader(path.read_text().splitlines())]
    labels = labels_from(str(path), root=path.parent / "videos", annotations=None)(ids)
    return dict(zip(ids, labels.labels_of(ids), strict=True))


def test_an_exported_table_is_what_labels_of_an_evaluation_are_read_from(
    fill: Fill, rows: Rows, add: Add, tmp_path: Path
) -> None:
    index = fill({"a/1.mp4": rows(8), "2.mp4": rows(4), "none.mp4": rows(2), "3.mp4": rows(4)})
    add(index, "3.mp4", rows(2, seed=1), root="/w")  # the same path below another root
    label_segments(
        index,
        # The parts of "walk" cover 5 s, although they last 6 s together; "run" covers 5.5 s.
        ("a/1.mp4", 0.0, 3.0, "walk"),
        ("a/1.mp4", 2.0, 5.0, "walk"),
        ("a/1.mp4", 3.0, 8.5, "run"),
        ("2.mp4", 0.0, 2.0, "wave"),  # as long as the next: the first of the alphabet
        ("2.mp4", 2.0, 4.0, "kick, high"),
        ("3.mp4", 0.0, 2.0, "wave"),  # both have this content
        ("gone.mp4", 0.0, 2.0, "wave"),  # no video of the index
    )
    assert export_labels(index, tmp_path / "labels.csv") == 4
    assert table(tmp_path / "labels.csv") == {
        "a/1.mp4": "run",
        "2.mp4": "kick, high",
        "/v/3.mp4": "wave",
        "/w/3.mp4": "wave",
    }
    with (tmp_path / "labels.csv").open(newline="") as file:
        seconds = {row["path"]: float(row["labelled_seconds"]) for row in csv.DictReader(file)}
    assert seconds == {"a/1.mp4": 5.5, "2.mp4": 2.0, "/v/3.mp4": 2.0, "/w/3.mp4": 2.0}


def test_covered_seconds_by_hand() -> None:
    assert covered_seconds([]) == 0
    assert covered_seconds([(3.0, 4.0), (0.0, 2.0), (1.0, 2.5), (0.5, 1.0)]) == 3.5


def test_a_table_of_video_labels_labels_whole_videos(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3), "b.mp4": rows(2), "c.mp4": rows(2)})
    text = "path,label,split\na.mp4,walk,train\n/v/b.mp4, run ,test\nelsewhere.mp4,wave,test\n"
    (tmp_path / "labels.csv").write_text(text)
    assert import_labels(index, tmp_path / "labels.csv") == 2
    found = {moment: value.label for moment, value in labels_of_moments(index).items()}
    assert found == {1: "walk", 2: "walk", 3: "walk", 4: "run", 5: "run"}
    set_label(index, [2], "wave")  # a segment nearer to the moment than the whole video
    assert labels_of_moments(index)[2].label == "wave"
    assert export_labels(index, tmp_path / "again.csv") == 2
    assert table(tmp_path / "again.csv") == {"a.mp4": "walk", "b.mp4": "run"}


def test_a_table_with_two_labels_for_a_video_is_refused(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3)})
    (tmp_path / "labels.csv").write_text("path,label\na.mp4,walk\na.mp4,run\n")
    with pytest.raises(LabelError, match="'walk' in line 2 and 'run' in line 3"):
        import_labels(index, tmp_path / "labels.csv")
    assert list_labels(index) == []


def test_fiftyone_finds_its_folder(labelled: Index, tmp_path: Path) -> None:
    count = export_labels(labelled, tmp_path / "fiftyone")
    labels = json.loads((tmp_path / "fiftyone" / "labels.json").read_text())
    data = json.loads((tmp_path / "fiftyone" / "data.json").read_text())
    assert labels["classes"] == ["kick", "wave"]
    assert labels["labels"].keys() == data.keys()
    assert sum(map(len, labels["labels"].values())) == count == 12
    assert sorted(data.values()) == ["/v/0.mp4", "/v/1.mp4"]


def entry(**change: object) -> dict[str, object]:
    row = {"content_id": "f", "start_seconds": 0, "end_seconds": 1, "label": "x"}
    return row | {"confidence": 1, "source": "given"} | change


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "not labels", "cannot be read as labels"),
        ("a.json", "[5]", "cannot be read as labels"),
        ("a.json", '{"format": 1}', "cannot be read as labels"),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [{"content_id": "x"}]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(end_seconds=float("nan"))]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(end_seconds=10**400)]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(label=5)]}),
            "cannot be read as labels",
        ),
        (
            "a.json",
            json.dumps({"format": 1, "labels": [entry(source="guessed")]}),
            "cannot be read as labels",
        ),
        ("a.csv", "path\na.mp4\n", "no column 'label'"),
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
