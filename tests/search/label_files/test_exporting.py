"""What is written where: files, folders and zips, and what an evaluation reads from a table."""

import csv
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from slic.datasets import labels_from
from slic.errors import LabelError, WriteError
from slic.search import LABEL_FILES, Index, export_labels, import_labels, list_labels, set_label
from slic.search.labels import write_labels
from slic.search.repository.labels import LabelValue, Segment

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]
Add = Callable[..., list[int]]


def label_segments(index: Index, *segments: tuple[str, float, float, str]) -> None:
    values = [
        (Segment(f"content of {path}", start, end), LabelValue(label, 1.0, "given"))
        for path, start, end, label in segments
    ]
    write_labels(index, values)


def table(path: Path) -> dict[str, str]:
    """Return the labels that other commands read from an export, by video."""
    ids = list(dict.fromkeys(row["path"] for row in csv.DictReader(path.read_text().splitlines())))
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
    assert export_labels(index, tmp_path / "labels.csv") == 7
    assert table(tmp_path / "labels.csv") == {
        "a/1.mp4": "run",
        "2.mp4": "kick, high",
        "/v/3.mp4": "wave",
        "/w/3.mp4": "wave",
    }
    assert import_labels(index, tmp_path / "labels.csv").labels == 6
    assert len(list_labels(index)) == 7


@pytest.mark.parametrize("name", [name for name in LABEL_FILES if name != "slic"])
def test_labels_of_missing_contents_are_left_out(
    fill: Fill, rows: Rows, tmp_path: Path, name: str
) -> None:
    index = fill({"a.mp4": rows(3)})
    label_segments(index, ("a.mp4", 0.0, 2.0, "walk"), ("gone.mp4", 0.0, 2.0, "wave"))
    assert export_labels(index, tmp_path / "labels", format=name) == 1


@pytest.mark.parametrize("name", LABEL_FILES)
def test_an_index_without_labels_gives_an_empty_file(
    fill: Fill, rows: Rows, tmp_path: Path, name: str
) -> None:
    index = fill({"a.mp4": rows(3)})
    assert export_labels(index, tmp_path / "labels", format=name) == 0
    with pytest.raises(LabelError, match=r"labels: (has no labels|is in none of the formats)"):
        import_labels(index, tmp_path / "labels")
    with pytest.raises(LabelError, match="labels: has no labels"):
        import_labels(index, tmp_path / "labels", format=name)


def test_a_zip_holds_the_files_of_the_folder(labelled: Index, tmp_path: Path) -> None:
    assert export_labels(labelled, str(tmp_path / "x.cvat.zip")) == 12
    with zipfile.ZipFile(tmp_path / "x.cvat.zip") as archive:
        assert sorted(archive.namelist()) == ["0001.xml", "0002.xml", "labels.json"]
    assert export_labels(labelled, tmp_path / "x.zip", format="fiftyone") == 12
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert sorted(archive.namelist()) == ["data.json", "labels.json"]
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["x.cvat.zip", "x.zip"]


def test_a_format_of_the_user_goes_out_and_in(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    index = fill({"a.mp4": rows(3)})
    set_label(index, [1], "walk")
    name = "tests.search.label_files.test_table:Lines"
    assert export_labels(index, tmp_path / "x", format=name) == 1
    assert (tmp_path / "x").read_text() == "walk\n"
    assert import_labels(index, tmp_path / "x", format=name).labels == 1
    assert [x.end_seconds for x in list_labels(index)] == [2.0, 4.0]


@pytest.mark.parametrize("name", LABEL_FILES)
def test_a_closed_folder_is_one_line(
    labelled: Index,
    open_folder: Path,
    nobody: Callable[[], AbstractContextManager[None]],
    name: str,
) -> None:
    (open_folder / "closed").mkdir(mode=0o555)
    list_labels(labelled)  # opens the database before the rights are given up
    for suffix in {"", ".zip"} if LABEL_FILES[name].suffix.endswith(".zip") else {""}:
        path = open_folder / "closed" / f"labels{suffix}"
        with nobody(), pytest.raises(WriteError, match=r"could not be written \(permission denied"):
            export_labels(labelled, path, format=name)
        assert not list((open_folder / "closed").iterdir())
