"""`slic name`, `slic names` and `slic search`: what they print, and words that no index holds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.cli import main
from slic.search import Index, assign_name, names_of_moments

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


def test_names_of_contents_that_are_not_here_are_listed(
    fill: Fill, rows: Rows, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    elsewhere = fill({"a": rows(4)}, name="elsewhere")
    assign_name(elsewhere, [1, 3], "wave")
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
    assert len(names_of_moments(index)) == 1
