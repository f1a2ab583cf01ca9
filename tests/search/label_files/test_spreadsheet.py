"""CSV files as people and spreadsheets write them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import LabelError
from slic.files import guard_cell, unguard_cell
from slic.search import Index, export_labels, import_labels, list_labels, set_label

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@given(st.text() | st.text(alphabet=f"'a{FORMULA}"))
def test_guarded_cells_come_back_and_are_no_formulas(cell: str) -> None:
    guarded = guard_cell(cell)
    assert unguard_cell(guarded) == cell
    assert guarded[:1] not in list(FORMULA)


@given(st.text())
def test_a_cell_of_others_without_a_formula_is_read_as_it_is(cell: str) -> None:
    if not cell.lstrip("'")[:1] or cell.lstrip("'")[0] not in FORMULA:
        assert unguard_cell(cell) == cell


def test_a_file_by_hand(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    index = fill({'=a, "b".mp4': rows(3)})
    set_label(index, [2], "@walk")
    assert export_labels(index, tmp_path / "labels.csv") == 1
    assert (tmp_path / "labels.csv").read_text() == (
        'path,label,start,end,source,confidence\n"\'=a, ""b"".mp4",\'@walk,1.0,3.0,given,1.0\n'
    )


@pytest.mark.parametrize(
    "data",
    [
        "path,label,start,end\na.mp4,walk,0.5,1.5\n".encode("utf-8-sig"),
        b"path,label,start,end\r\na.mp4,walk,.5,1.5\r\n",
        b" label ; path ; end;start;note\nwalk;a.mp4;1,5;0,5;x\n",
        b"path\tlabel\tstart\tend\na.mp4\twalk\t0,5\t1,5\n",
        b'path,label,start,end,source,confidence\n"a.mp4", walk ,5e-1,1.50,given,\n',
        b"path,label,start_seconds,end_seconds\na.mp4,walk,0.5,1.5\n",
    ],
)
def test_files_of_spreadsheets(fill: Fill, rows: Rows, tmp_path: Path, data: bytes) -> None:
    index = fill({"a.mp4": rows(3)})
    (tmp_path / "labels.csv").write_bytes(data)
    assert import_labels(index, tmp_path / "labels.csv").labels == 1
    (label,) = list_labels(index)
    assert (label.start_seconds, label.end_seconds, label.label, label.source) == (
        0.5, 1.5, "walk", "given",
    )  # fmt: skip


def test_without_times_a_label_holds_for_the_whole_video(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(3), "b.mp4": rows(3)})
    (tmp_path / "labels.csv").write_text(
        "path,label,start,end\na.mp4,x,,\nb.mp4,y,1,\nb.mp4,z,,1\n"
    )
    import_labels(index, tmp_path / "labels.csv")
    found = [(x.start_seconds, x.end_seconds, x.label) for x in list_labels(index)]
    assert found == [(0.0, 4.0, "x"), (0.0, 1.0, "z"), (1.0, 4.0, "y")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,x,2,1", r"line 3: the end 1 is not after the start 2\."),
        ("a.mp4,x,1,1", r"line 3: the end 1 is not after the start 1\."),
        ("a.mp4,x,-1,1", r"line 3: the start -1 is negative\."),
        ("a.mp4,x,nan,1", r"line 3: start: 'nan' is not a number"),
        ("a.mp4,x,0,inf", r"line 3: end: 'inf' is not a number"),
        ("a.mp4,x,0,0:01", r"line 3: end: '0:01' is not a number"),
        ("a.mp4,x,0,1_0", r"line 3: end: '1_0' is not a number"),
        ("a.mp4,x,0,5", r"line 3: 0 to 5 s, but a.mp4 ends at 4 s\."),
        ("a.mp4,x,4,", r"line 3: 4 to 4 s, but a.mp4 ends at 4 s\."),
        ("a.mp4,,0,1", r"line 3: label: '' is not a text"),
        (",x,0,1", r"line 3: path: '' is not a text"),
        ('a.mp4,"x\x00",0,1', r"line 3: label 'x\\x00': a label has 1 to 200 printable char"),
        ("a.mp4," + "x" * 201 + ",0,1", r"line 3: label 'x+': a label has 1 to 200"),
        ("a.mp4", r"line 3: label: None is not a text"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_set(
    fill: Fill, rows: Rows, tmp_path: Path, row: str, message: str
) -> None:
    index = fill({"a.mp4": rows(3)})
    (tmp_path / "labels.csv").write_text(f"path,label,start,end\na.mp4,good,0,1\n{row}\n")
    with pytest.raises(LabelError, match=message) as raised:
        import_labels(index, tmp_path / "labels.csv")
    assert str(raised.value).startswith(f"{tmp_path}/labels.csv: ")
    assert "\n" not in str(raised.value)
    assert list_labels(index) == []


def test_a_file_in_another_encoding_says_what_to_do(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("path,label\na.mp4,naïve\n".encode("latin-1"))
    with pytest.raises(LabelError, match="it is not in UTF-8; save it as 'CSV UTF-8'"):
        import_labels(fill({"a.mp4": rows(3)}), tmp_path / "labels.csv")


def test_a_csv_reader_sees_the_guarded_cells(odd_index: Index, tmp_path: Path) -> None:
    export_labels(odd_index, tmp_path / "labels.csv")
    text = (tmp_path / "labels.csv").read_text()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert len(cells) == 6 * 1001
    assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]
