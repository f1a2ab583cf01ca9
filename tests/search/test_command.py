"""`slic name`, `slic names` and `slic search`: what they print, and words that no index holds."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.cli import main
from slic.search import Index, cluster_index, labels_of_moments, set_label

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


def test_names_of_contents_that_are_not_here_are_listed(
    fill: Fill, rows: Rows, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    elsewhere = fill({"a": rows(4)}, name="elsewhere")
    set_label(elsewhere, [1, 3], "wave")
    main(["names", str(elsewhere.path), "--export", str(tmp_path / "names.csv")])
    here = fill({"b": rows(4)})
    main(["names", str(here.path), "--import", str(tmp_path / "names.csv")])
    capsys.readouterr()
    main(["names", str(here.path)])
    assert capsys.readouterr().out.split() == ["wave", "2", "given", "0", "spread"]


def test_no_way_back_is_offered_from_nothing(
    fill: Fill, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    index = fill({"a": rows(4)})
    main(["name", str(index.path), "a@1", "wave"])
    assert "Take it back with" in capsys.readouterr().out
    main(["name", str(index.path), "a@3"])
    assert capsys.readouterr().out == "0 moments lost their name.\n"
    assert len(labels_of_moments(index)) == 1


@pytest.mark.parametrize("what", ["9" * 20, os.fsdecode(b"caf\xe9.mp4@1")])
def test_what_the_database_cannot_hold_is_one_line(
    fill: Fill, rows: Rows, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    index = fill({"a": rows(4)})
    cluster_index(index)
    assert "holds no such number or text" in refused(capsys, "name", str(index.path), what, "x")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("long.csv", {"content_id": "f" * 200_000}),
        ("huge.json", {"end_seconds": 10**400}),
        ("surrogate.json", {"content_id": "\ud800"}),
    ],
)
def test_names_that_are_none_are_one_line(
    fill: Fill,
    rows: Rows,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    file: str,
    change: dict[str, object],
) -> None:
    index = fill({"a": rows(4)})
    row = {"content_id": "f", "start_seconds": 0, "end_seconds": 1, "label": "x"}
    row |= {"confidence": 1, "source": "given"} | change
    lines = [",".join(row), ",".join(map(str, row.values()))]
    text = json.dumps([row]) if file.endswith("json") else "\n".join(lines)
    (tmp_path / file).write_text(text)
    refused(capsys, "names", str(index.path), "--import", str(tmp_path / file))
    main(["names", str(index.path)])
    assert capsys.readouterr().out == ""


def test_a_page_of_an_index_whose_folder_has_no_text_for_a_name(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a": rows(4)}, name=os.fsdecode(b"caf\xe9"))
    main(["search", str(index.path), "a@1", "--html", str(tmp_path / "page.html")])
    assert "caf?" in (tmp_path / "page.html").read_text("utf-8")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line that a command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line
