"""Label Studio tasks: as its guide describes them, and as its SDK reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from slic.search import Index, export_labels, import_labels, list_labels
from slic.search.label_files.label_studio import LabelStudio, config_of
from slic.search.labels import write_labels
from slic.search.repository.labels import LabelValue, Segment

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


def region(label: str, start: int, end: int, **more: object) -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    names = {"from_name": "actions", "to_name": "video", "type": "timelinelabels"}
    return {"value": value} | names | more


def test_a_task_by_hand(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    """Frames count from 1 and the last one is included: 0.4 to 1.2 s are frames 11 to 30."""
    index = fill({"a b.mp4": rows(3)})
    content = "content of a b.mp4"
    given, spread = LabelValue("walk", 1.0, "given"), LabelValue("run", 0.75, "spread")
    write_labels(index, [(Segment(content, 0.4, 1.2), given), (Segment(content, 2, 2.01), spread)])
    assert export_labels(index, tmp_path / "x.label-studio.json") == 2
    assert json.loads((tmp_path / "x.label-studio.json").read_text()) == [
        {
            "data": {
                "video": "/data/local-files/?d=v/a%20b.mp4", "path": "a b.mp4", "fps": 25.0,
            },
            "annotations": [{"result": [region("walk", 11, 30, id="given-1")]}],
            "predictions": [
                {
                    "model_version": "slic",
                    "score": 0.75,
                    "result": [region("run", 51, 51, id="spread-2", score=0.75)],
                }
            ],
        }
    ]  # fmt: skip
    view = ET.parse(tmp_path / "x.label-studio.json.config.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == ["run", "walk"]
    video = next(view.iter("Video"))
    assert (video.get("value"), video.get("frameRate")) == ("$video", "$fps")


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        (  # as exported: the annotation began from the prediction, and a draft was cancelled
            {
                "id": 7,
                "data": {"video": "/data/local-files/?d=v/sub/a.mp4", "fps": 25},
                "annotations": [
                    {"result": [region("walk", 26, 50)], "parent_prediction": 5},
                    {"result": [region("run", 1, 50)], "was_cancelled": True},
                ],
                "predictions": [{"id": 5, "result": [region("walk", 20, 50, score=0.5)]}],
            },
            [(1.0, 2.0, "walk", "given")],
        ),
        (  # ids only, where the export left the predictions out; other regions are passed over
            {
                "data": {"video": "https://host/x.mp4", "path": "sub/a.mp4", "fps": "50"},
                "annotations": [
                    {"result": [region("walk", 1, 50), {"type": "choices", "value": {}}]}
                ],
                "predictions": [12],
            },
            [(0.0, 1.0, "walk", "given")],
        ),
        (  # without a rate, Label Studio plays 24 frames per second
            {
                "data": {"video": "https://host/videos/sub/a.mp4?sig=1", "path": ""},
                "predictions": [{"result": [region("walk", 25, 48, score=0.5)]}],
            },
            [],
        ),
        (
            {
                "data": {"video": "/data/upload/sub/a.mp4"},
                "predictions": [{"result": [region("walk", 25, 48, score=0.5)]}],
            },
            [],
        ),
        (
            {
                "data": {"video": "sub/a.mp4"},
                "predictions": [{"result": [region("walk", 25, 48, score=0.5)]}],
            },
            [(1.0, 2.0, "walk", "spread")],
        ),
    ],
)
def test_tasks_of_others(
    fill: Fill,
    rows: Rows,
    tmp_path: Path,
    task: dict[str, Any],
    wanted: list[tuple[float, float, str, str]],
) -> None:
    index = fill({"sub/a.mp4": rows(3), "b.mp4": rows(1)})
    other = {
        "data": {"video": "b.mp4", "fps": 25},
        "annotations": [{"result": [region("x", 1, 9)]}],
    }
    (tmp_path / "project.json").write_text(json.dumps([task, other]))
    imported = import_labels(index, tmp_path / "project.json")
    labels = [x for x in list_labels(index) if x.path == "sub/a.mp4"]
    found = [(x.start_seconds, x.end_seconds, x.label, x.source) for x in labels]
    assert found == wanted
    assert bool(imported.unknown_videos) == (not wanted)


def test_the_sdk_takes_all_labels(odd_index: Index, tmp_path: Path) -> None:
    """Read with label-studio-sdk 2.1.2: its validation of regions, and its converter."""
    interface = pytest.importorskip(
        "label_studio_sdk.label_interface",
        reason="label-studio-sdk has 40 dependencies; the test above has its documented structure",
    )
    converter = pytest.importorskip("label_studio_sdk.converter")
    file = tmp_path / "x.label-studio.json"
    export_labels(odd_index, file)
    config = Path(f"{file}.config.xml").read_text()
    tool = interface.LabelInterface(config)
    tool.validate()
    names = {label.label for label in list_labels(odd_index)}
    assert set(tool.get_control("actions").labels) == names
    tasks = json.loads(file.read_text())
    for number, task in enumerate(tasks, 1):
        task["id"] = number
        for annotation in task.get("annotations", []):
            assert tool.validate_annotation(annotation)
        for prediction in task.get("predictions", []):
            assert tool.validate_prediction(prediction)
    file.write_text(json.dumps(tasks))
    converter.Converter(config=config, project_dir=None).convert(
        str(file), str(tmp_path / "out"), "JSON_MIN", is_dir=False
    )
    converted = json.loads((tmp_path / "out" / "result.json").read_text())
    regions = [region for task in converted for region in task["actions"]]
    given = [row for row in LabelStudio().read(file) if row.source == "given"]
    assert sorted(region["timelinelabels"][0] for region in regions) == sorted(
        row.label for row in given
    )


def test_the_configuration_is_xml_whatever_the_labels_are() -> None:
    names = ["<&\"'>", "走る", "a\tb"]
    view = ET.fromstring(config_of(names))
    assert [label.get("value") for label in view.iter("Label")] == names
