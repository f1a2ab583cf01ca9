"""``slic reproduce`` prints commands, cost and results."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from slic.cli import main
from slic.evaluation import cost


@pytest.fixture(autouse=True)
def known_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the cost of a pass and of flow, which is measured otherwise."""
    measured = cost.PassCost(gflop=111.2, seconds=0.5, device="a slow machine")
    monkeypatch.setattr(cost, "measure_pass_cost", lambda _, **__: measured)
    monkeypatch.setattr(cost, "seconds_per_flow_step", lambda _: 0.2)


def test_reproduce_prints_all_three_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # without runs
    main(["reproduce", "retrieval", "--seeds", "1", "--ucf101", "a b"])
    printed = capsys.readouterr().out
    assert "(*)" not in printed
    assert "slic pretrain 'a b' --labels ucf101:1 --split train --recipe paper-ucf101" in printed
    passes = 3 * 600 * 9537 * 3 + 120 * 9537
    assert f"{passes * 0.5 / 3600:,.0f}" in printed
    assert printed.count("not run") == 2
    steps = (9537 + 3783) * (186 - 1)
    assert f"{steps * 0.2 / 3600:,.0f} hours of one core" in printed
    main(["reproduce", "kinetics", "--seeds", "1", "--kinetics400", "k"])
    printed = capsys.readouterr().out
    assert "slic pretrain k --labels kinetics400 --split train" in printed
    assert "340 epochs of 240,000 videos" in printed
    assert printed.count("not quoted") == 4


def test_a_number_of_other_conditions_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1e6, 0.0, 0.0), raising=False)
    (tmp_path / "seed0").mkdir()
    scores: dict[str, Any] = {"recall": {"1": 0.5}, "protocol": "paper: x", "labels": "ucf101:1"}
    scores |= {"splits": "queries test, gallery train", "absent_videos": 9}
    (tmp_path / "seed0" / "retrieval-ucf101.json").write_text(json.dumps(scores))
    main(["reproduce", "retrieval", "--runs", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "| 71.6      | 50.0 (*) | 1 " in printed
    table, notes = printed.split("\n(*) Not comparable with the published number:\n")
    assert "| not run  |" in table
    assert notes.endswith("retrieval-ucf101.json: 9 listed videos were absent.\n")
    assert "The machine was busy (load 1000000 on " in printed
