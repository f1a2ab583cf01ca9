"""Which format a name, a suffix and a content stand for."""

from pathlib import Path

import pytest

from slic.errors import LabelError
from slic.search import LABEL_FILES
from slic.search.label_files.base import IndexLabels, LabelFile, LabelRow
from slic.search.label_files.table import format_by_content, format_by_suffix, label_file


class Lines:
    """A format of a user."""

    title, suffix, media_type, keeps = "Lines", ".lines", "text/plain", "the label"

    def write(self, labels: IndexLabels, path: Path) -> int:
        path.write_text("".join(f"{label.label}\n" for label in labels.labels))
        return len(labels.labels)

    def read(self, path: Path) -> list[LabelRow]:
        return [
            LabelRow(paths=("a.mp4",), label=line, start=None, end=None, place=f"line {number}")
            for number, line in enumerate(path.read_text().splitlines(), 1)
        ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("labels.csv", "csv"),
        ("LABELS.CSV", "csv"),
        ("labels.json", "slic"),
        ("labels.activitynet.json", "activitynet"),
        ("labels.label-studio.json", "label-studio"),
        ("labels.cvat", "cvat"),
        ("labels.cvat.zip", "cvat"),
        ("labels.fiftyone.zip", "fiftyone"),
    ],
)
def test_a_suffix_stands_for_a_format(path: str, name: str) -> None:
    assert format_by_suffix(Path(path)) is LABEL_FILES[name]


@pytest.mark.parametrize("path", ["labels", "labels.xml", "labels.zip", "labels.txt", "a.cvat/b"])
def test_another_suffix_lists_the_formats(path: str) -> None:
    text = "--format with one of csv, slic, activitynet, label-studio, cvat, fiftyone"
    with pytest.raises(LabelError, match=text):
        format_by_suffix(Path(path))


def test_a_class_of_the_user_is_named_by_its_import_path() -> None:
    assert isinstance(label_file("tests.search.label_files.test_table.Lines"), LabelFile)
    with pytest.raises(LabelError, match=r"unknown format 'cvt'. Did you mean 'cvat'\? Known: csv"):
        label_file("cvt")
    with pytest.raises(LabelError, match="is not a label file: it needs title, suffix,"):
        label_file("pathlib.PurePath")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("path,label\n", "csv"),
        ("", "csv"),
        ('\ufeff {"format": 1}', "slic"),
        ('{"database": {}}', "activitynet"),
        ('[{"data": {}}]', "label-studio"),
        ('{"data": {}, "annotations": []}', "label-studio"),
        ("\n<?xml?>", "cvat"),
    ],
)
def test_a_content_shows_its_format(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "x").write_text(text)
    assert format_by_content(tmp_path / "x") is LABEL_FILES[name]


@pytest.mark.parametrize("text", ["[]", "{}", "[1]", '{"results": {}}'])
def test_json_of_another_kind_lists_the_formats(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(
        LabelError, match=r"in none of the formats csv, slic, .*; if it is, give --f"
    ):
        format_by_content(tmp_path / "x")


def test_a_folder_shows_its_format(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="in none of the formats"):
        format_by_content(tmp_path)
    (tmp_path / "labels.json").touch()
    (tmp_path / "1.xml").touch()
    assert format_by_content(tmp_path) is LABEL_FILES["cvat"]
    (tmp_path / "data.json").touch()
    assert format_by_content(tmp_path) is LABEL_FILES["fiftyone"]


def test_every_format_is_a_label_file_with_a_suffix_of_its_own() -> None:
    assert all(isinstance(file, LabelFile) for file in LABEL_FILES.values())
    assert len({file.suffix for file in LABEL_FILES.values()}) == len(LABEL_FILES)
