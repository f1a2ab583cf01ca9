"""ActivityNet files: what the reader of its evaluation takes, and published files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from slic.search import Index, export_labels, import_labels, list_labels, set_label

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


def ground_truth(path: Path, subset: str) -> list[tuple[str, float, float, str]]:
    """Return what ``_import_ground_truth`` of ActivityNet's Evaluation/eval_detection.py reads."""
    data = json.loads(path.read_text())
    assert {"database", "taxonomy", "version"} <= data.keys()
    return [
        (name, float(a["segment"][0]), float(a["segment"][1]), a["label"])
        for name, video in data["database"].items()
        if video["subset"] == subset
        for a in video["annotations"]
    ]


def test_the_reader_of_the_evaluation_takes_all_labels(odd_index: Index, tmp_path: Path) -> None:
    export_labels(odd_index, tmp_path / "x.activitynet.json")
    found = ground_truth(tmp_path / "x.activitynet.json", "training")
    wanted = [(x.start_seconds, x.end_seconds, x.label) for x in list_labels(odd_index)]
    assert sorted(row[1:] for row in found) == sorted(wanted)
    data = json.loads((tmp_path / "x.activitynet.json").read_text())
    nodes = {node["nodeName"]: node for node in data["taxonomy"]}
    assert nodes.keys() == {"Root"} | {label for *_, label in wanted}
    assert nodes["walk"]["parentName"] == "Root"
    assert all(video["duration"] > 0 for video in data["database"].values())


def test_a_published_file_names_videos_without_folder_and_suffix(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"val/v_QOlSCBRmfWY.mp4": rows(9), "train/a.mp4": rows(9), "val/a.mp4": rows(9)})
    entry = {"duration": 10.0, "subset": "validation", "url": "https://www.youtube.com/"}
    annotations = [{"segment": [0.83, 6.4], "label": "Ballet"}]
    database = {
        name: entry | {"annotations": annotations} for name in ("v_QOlSCBRmfWY", "a", "gone")
    }
    database["unlabelled"] = entry | {"annotations": []}
    content = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
    (tmp_path / "activity_net.v1-3.min.json").write_text(json.dumps(content))
    imported = import_labels(index, tmp_path / "activity_net.v1-3.min.json")
    assert (imported.labels, imported.unknown_videos) == (1, ("a", "gone"))  # two fit "a"
    (label,) = list_labels(index)
    assert (label.path, label.start_seconds, label.end_seconds, label.label, label.source) == (
        "val/v_QOlSCBRmfWY.mp4", 0.83, 6.4, "Ballet", "given",
    )  # fmt: skip


def test_labels_stay_readable(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    index = fill({"走る.mp4": rows(3)})
    set_label(index, [1], "走る")
    export_labels(index, tmp_path / "x.json", format="activitynet")
    assert '"走る.mp4": {' in (tmp_path / "x.json").read_text()
