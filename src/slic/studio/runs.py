"""Pretraining runs below a folder, with the curves of their logs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slic.files import as_text, is_file
from slic.report.training_curves import CURVES, Curve
from slic.runs import read_log

MOST_RUNS = 200
MOST_POINTS = 400
DEPTH = 3  # folders below the one given


def run_folders(folder: Path) -> list[Path]:
    """Return the folders with a run's log, the newest first."""
    found = [log for depth in range(DEPTH + 1) for log in folder.glob("*/" * depth + "log.jsonl")]
    logs = [log for log in found if is_file(log)]
    logs.sort(key=lambda log: log.stat().st_mtime, reverse=True)
    return [log.parent for log in logs[:MOST_RUNS]]


def described(folder: Path, number: int, run: Path) -> dict[str, Any]:
    """Return what the page shows of a run: its name, where it stands, and its curves.

    A log that is no text, or that this user may not read, has nothing to show.
    """
    try:
        log = read_log(run / "log.jsonl")
    except (OSError, UnicodeDecodeError):
        log = []
    times = [time for record in log if (time := _number(record, "time")) is not None]
    steps = [record for record in log if record.get("kind") == "step"]
    last = steps[-1] if steps else {}
    name = run.name if run == folder else run.relative_to(folder).as_posix()
    return {
        "number": number,
        "name": as_text(name),
        "finished": (run / "encoder").is_dir(),
        "steps": _number(last, "step") or 0,
        "epoch": _number(last, "epoch") or 0,
        "seconds": round(times[-1] - times[0]) if times else 0,
        "loss": _number(last, "loss"),
        "curves": [curve for one in CURVES if (curve := _curve(log, one))["series"]],
    }


def _number(record: Mapping[str, Any], key: str) -> float | None:
    """Return a number that JSON can tell, or None."""
    value = record.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _curve(log: Sequence[Mapping[str, Any]], curve: Curve) -> dict[str, Any]:
    records = [record for record in log if record.get("kind") == curve.kind]
    series = [
        {"name": name, "points": points}
        for key, name in curve.names.items()
        if (points := _points(records, key))
    ]
    return {"title": curve.title, "note": curve.note, "series": series}


def _points(records: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (step, value) of one key; of many, the means of so many stretches."""
    pairs = [(_number(record, "step"), _number(record, key)) for record in records]
    points = [(step, value) for step, value in pairs if step is not None and value is not None]
    size = -(-len(points) // MOST_POINTS) or 1
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]
