"""FiftyOne folders: as its guide describes them, and as its importer reads them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import Index, export_labels, import_labels, list_labels

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


def test_fiftyone_finds_its_folder(labelled: Index, tmp_path: Path) -> None:
    count = export_labels(labelled, tmp_path / "labels.fiftyone")
    labels = json.loads((tmp_path / "labels.fiftyone" / "labels.json").read_text())
    data = json.loads((tmp_path / "labels.fiftyone" / "data.json").read_text())
    assert labels["classes"] == ["kick", "wave"]
    assert labels["labels"].keys() == data.keys()
    assert sum(map(len, labels["labels"].values())) == count == 12
    assert sorted(data.values()) == ["/v/0.mp4", "/v/1.mp4"]
    assert labels["labels"]["000001"][0] == {
        "label": 1, "timestamps": [0.0, 2.0], "confidence": 1.0, "attributes": {"source": "given"},
    }  # fmt: skip


def test_a_folder_of_others_has_frames_or_names(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    """``support`` counts frames from 1, and the last one is included."""
    index = fill({"a.mp4": rows(3)})
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "data.json").write_text(json.dumps({"u1": "/v/a.mp4", "u2": "/gone.mp4"}))
    detections = [{"label": 0, "support": [26, 50]}, {"label": 1, "timestamps": [2.0, 2.5]}]
    labels = {"classes": ["walk", "run"], "labels": {"u1": detections, "u2": detections[:1]}}
    (folder / "labels.json").write_text(json.dumps(labels))
    imported = import_labels(index, folder)
    assert (imported.labels, imported.unknown_videos) == (2, ("/gone.mp4",))
    found = [(x.start_seconds, x.end_seconds, x.label) for x in list_labels(index)]
    assert found == [(1.0, 2.0, "walk"), (2.0, 2.5, "run")]


def test_the_importer_takes_all_labels(odd_index: Index, tmp_path: Path) -> None:
    """Read with the importer of fiftyone 1.22.1, which needs no database."""
    importers = pytest.importorskip(
        "fiftyone.utils.data.importers",
        reason="fiftyone has 100 dependencies; the tests above have its documented structure",
    )
    export_labels(odd_index, tmp_path / "x.fiftyone")
    reader = importers.FiftyOneTemporalDetectionDatasetImporter(
        dataset_dir=str(tmp_path / "x.fiftyone"), data_path="data.json"
    )
    files = {v.file.as_posix(): v for v in odd_index.videos()}
    rows = []
    with reader:
        for path, _, label, _ in reader:
            content = files[path].content_id
            rows += [(content, d.label, d.confidence, d["source"]) for d in label.detections]
    wanted = [(x.content_id, x.label, x.confidence, x.source) for x in list_labels(odd_index)]
    assert sorted(rows) == sorted(wanted)
