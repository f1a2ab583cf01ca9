"""Pretraining runs below a folder, with the curves of their logs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slic.files import as_text, is_file
from slic.report.training_curves import CURVES, Curve, finite_number
from slic.runs import read_log

MAX_RUNS = 200
MAX_CURVE_POINTS = 400
MAX_RUN_DEPTH = 3  # levels of folders below the given one


def find_runs(folder: Path) -> list[Path]:
    """Return the folders at or below ``folder`` that contain a run's log, the newest first."""
    patterns = ["*/" * depth + "log.jsonl" for depth in range(MAX_RUN_DEPTH + 1)]
    logs = [log for pattern in patterns for log in folder.glob(pattern) if is_file(log)]
    logs.sort(key=lambda log: log.stat().st_mtime, reverse=True)
    return [log.parent for log in logs[:MAX_RUNS]]


def describe_run(folder: Path, run: Path) -> dict[str, Any]:
    """Return the name, progress and curves of a run for the page.

    Args:
        folder: The folder of all runs; the run's name is relative to it.
        run: Folder of the run. A log that cannot be read is treated as empty.
    """
    try:
        log = read_log(run / "log.jsonl")
    except (OSError, UnicodeDecodeError):
        log = []
    times = [time for record in log if (time := finite_number(record, "time")) is not None]
    steps = [record for record in log if record.get("kind") == "step"]
    last = steps[-1] if steps else {}
    name = run.name if run == folder else run.relative_to(folder).as_posix()
    return {
        "name": as_text(name),
        "finished": (run / "encoder").is_dir(),
        "steps": finite_number(last, "step") or 0,
        "seconds": round(times[-1] - times[0]) if times else 0,
        "loss": finite_number(last, "loss"),
        "curves": [curve for one in CURVES if (curve := _curve_of_log(log, one))["series"]],
    }


def _curve_of_log(log: Sequence[Mapping[str, Any]], curve: Curve) -> dict[str, Any]:
    records = [record for record in log if record.get("kind") == curve.kind]
    series = [
        {"name": name, "points": points}
        for key, name in curve.names.items()
        if (points := _curve_points(records, key))
    ]
    return {"title": curve.title, "note": curve.note, "series": series}


def _curve_points(records: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (step, value) pairs, averaged in groups to at most `MAX_CURVE_POINTS`."""
    pairs = [(finite_number(record, "step"), finite_number(record, key)) for record in records]
    points = [(step, value) for step, value in pairs if step is not None and value is not None]
    size = -(-len(points) // MAX_CURVE_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]
