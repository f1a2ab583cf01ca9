"""Runs are found by their logs, and their curves have the numbers of the logs."""

import json
import os
from pathlib import Path

from slic.studio.runs import MAX_CURVE_POINTS, describe_run, find_runs


def write_log(run: Path, records: list[dict[str, object]]) -> None:
    run.mkdir(parents=True)
    (run / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def test_runs_are_found_below_a_folder_and_in_it(tmp_path: Path) -> None:
    for name in ("a", "b/c", "a/folder/too/deep/run"):
        write_log(tmp_path / name, [])
    assert {run.relative_to(tmp_path).as_posix() for run in find_runs(tmp_path)} == {"a", "b/c"}
    assert find_runs(tmp_path / "a") == [tmp_path / "a"]


def test_curves_are_the_numbers_of_the_log(tmp_path: Path) -> None:
    steps = [
        {"kind": "step", "time": 10.0 + i, "epoch": i // 5, "step": i + 1, "loss": loss}
        for i, loss in enumerate([4.0, 3.0, float("nan"), 2.0])
    ]
    rounds = [{"kind": "round", "time": 10.0, "epoch": 0, "step": 0, "clusters": 7}]
    write_log(tmp_path / "run", [*rounds, *steps])
    run = describe_run(tmp_path, tmp_path / "run")
    assert (run["name"], run["steps"], run["seconds"], run["finished"]) == ("run", 4, 3, False)
    curves = {curve["title"]: curve["series"] for curve in run["curves"]}
    assert curves["Loss"] == [{"name": "loss", "points": [(1, 4), (2, 3), (4, 2)]}]
    assert curves["Clusters"] == [{"name": "clusters", "points": [(0, 7)]}]


def test_long_curves_are_thinned_to_means(tmp_path: Path) -> None:
    records = [
        {"kind": "step", "time": 0, "epoch": 0, "step": i, "loss": i % 2} for i in range(4000)
    ]
    write_log(tmp_path / "run", records)
    (curve, *_) = describe_run(tmp_path, tmp_path / "run")["curves"]
    points = curve["series"][0]["points"]
    assert len(points) == MAX_CURVE_POINTS
    assert all(value == 0.5 for _, value in points)


def test_a_log_of_another_program_has_no_curves(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text('{"kind": "step", "loss": 1}\n{"time": "x"}\n[]\n')
    run = describe_run(tmp_path, tmp_path / "run")
    assert (run["curves"], run["seconds"]) == ([], 0)


def test_a_run_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    record = {"kind": "step", "time": 1.0, "epoch": 0, "step": 1, "loss": 0.5}
    for name in ("good", os.fsdecode(b"caf\xe9")):
        write_log(tmp_path / name, [record])
    write_log(tmp_path / "diverged", [record | {"loss": float("nan")}])
    for name in ("bytes", "gone", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "bytes" / "log.jsonl").write_bytes(b"\xff\xfe\n")
    (tmp_path / "gone" / "log.jsonl").symlink_to("nowhere")
    (tmp_path / "folder" / "log.jsonl").mkdir()
    runs = [describe_run(tmp_path, run) for run in find_runs(tmp_path)]
    json.dumps(runs, ensure_ascii=False, allow_nan=False).encode()  # as the server encodes it
    steps = {run["name"]: run["steps"] for run in runs}
    assert steps == {"good": 1, "caf\N{REPLACEMENT CHARACTER}": 1, "diverged": 1, "bytes": 0}


def test_an_empty_run_has_no_curves(tmp_path: Path) -> None:
    write_log(tmp_path / "run", [])
    assert describe_run(tmp_path, tmp_path / "run")["curves"] == []
