"""Label Studio tasks with labels on the timeline of a video."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

from slic.files import read_json, write_atomically
from slic.search.label_files.base import IndexLabels, LabelledVideo, LabelRow
from slic.search.label_files.segments_json import write_json
from slic.search.label_files.values import read_number, read_text
from slic.search.repository.labels import Label, LabelSource
from slic.storage import RemotePath

DEFAULT_RATE = 24.0
"""Frames per second that Label Studio takes if a task has none (its tag ``Video``)."""


class LabelStudio:
    """A JSON file of tasks, and the labelling configuration beside it.

    A task has a video, its path and its frame rate. A given label is a region of an annotation, a
    spread label one of a prediction with its score. Label Studio counts frames from 1 at a constant
    rate, and the last one belongs to the range. So times move by at most half a frame.

    Sources: https://labelstud.io/tags/timelinelabels, https://labelstud.io/guide/task_format
    """

    title = "Label Studio (JSON)"
    suffix = ".label-studio.json"
    media_type = "application/json"
    keeps = "path, label, times to half a frame, source; the confidence of spread labels"
    interface_suffix = ".config.xml"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write the tasks, and ``FILE.config.xml`` with the labels of the project."""
        names = sorted({label.label for video in labels.videos for label in video.labels})
        write_atomically(path.with_name(path.name + self.interface_suffix), config_of(names))
        write_json(path, [_task(video) for video in labels.videos])
        return sum(len(video.labels) for video in labels.videos)

    def read(self, path: Path) -> list[LabelRow]:
        """Return the regions of all tasks that a person has not cancelled.

        Predictions are left out of a task in which an annotation began from one of them.
        """
        tasks = read_json(path)
        return [
            row
            for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], 1)
            for row in _rows_of_task(task, f"task {task.get('id', number)}")
        ]


def config_of(names: list[str]) -> bytes:
    """Return the labelling configuration of a project with these labels, as XML."""
    view = ET.Element("View")
    labels = ET.SubElement(view, "TimelineLabels", name="actions", toName="video")
    for name in names:
        ET.SubElement(labels, "Label", value=name)
    attributes = {"name": "video", "value": "$video", "frameRate": "$fps", "timelineHeight": "120"}
    ET.SubElement(view, "Video", attributes)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode").encode()


def _task(labelled: LabelledVideo) -> dict[str, Any]:
    video = labelled.video
    name = quote(video.path.absolute().as_posix().lstrip("/"))
    place = f"/data/local-files/?d={name}"
    if isinstance(video.path, RemotePath):
        place = video.path.url
    data = {"video": place, "path": labelled.path, "fps": video.fps}
    regions = {
        source: [
            _region(label, video.fps, f"{source}-{number}")
            for number, label in enumerate(labelled.labels, 1)
            if label.source == source
        ]
        for source in ("given", "spread")
    }
    task: dict[str, Any] = {"data": data}
    if regions["given"]:
        task["annotations"] = [{"result": regions["given"]}]
    if regions["spread"]:
        scores = [label.confidence for label in labelled.labels if label.source == "spread"]
        score = sum(scores) / len(scores)
        prediction = {"model_version": "slic", "score": score, "result": regions["spread"]}
        task["predictions"] = [prediction]
    return task


def _region(label: Label, fps: float, name: str) -> dict[str, Any]:
    first = round(label.start_seconds * fps)
    end = max(round(label.end_seconds * fps), first + 1)
    region: dict[str, Any] = {
        "id": name,
        "from_name": "actions",
        "to_name": "video",
        "type": "timelinelabels",
        "value": {"ranges": [{"start": first + 1, "end": end}], "timelinelabels": [label.label]},
    }
    return region | ({"score": label.confidence} if label.source == "spread" else {})


def _rows_of_task(task: dict[str, Any], place: str) -> list[LabelRow]:
    data = task["data"]
    fps = read_number(data.get("fps") or DEFAULT_RATE, f"{place}: fps")
    annotations = [a for a in task.get("annotations") or () if not a.get("was_cancelled")]
    predictions = task.get("predictions") or ()
    if any(annotation.get("parent_prediction") for annotation in annotations):
        predictions = ()  # a person has corrected them
    sets: list[tuple[dict[str, Any], LabelSource, str]] = [
        *((item, "spread", "prediction") for item in predictions if isinstance(item, dict)),
        *((item, "given", "annotation") for item in annotations),
    ]
    return [
        row
        for results, source, kind in sets
        for number, region in enumerate(results["result"], 1)
        if region.get("type") == "timelinelabels"
        for row in _rows_of_region(region, data, fps, source, f"{place}, {kind}, region {number}")
    ]


def _rows_of_region(
    region: dict[str, Any], data: dict[str, Any], fps: float, source: LabelSource, place: str
) -> list[LabelRow]:
    value, score = region["value"], region.get("score")
    return [
        LabelRow(
            paths=(read_text(data["path"], f"{place}: path"),) if data.get("path") else (),
            names=_names_of(data),
            label=read_text(label, f"{place}: label"),
            start=(read_number(frames["start"], f"{place}: start") - 1) / fps,
            end=read_number(frames["end"], f"{place}: end") / fps,
            exact=False,
            source=source,
            confidence=1.0 if source == "given" or score is None else read_number(score, place),
            place=place,
        )
        for frames in value["ranges"]
        for label in value["timelinelabels"]
    ]


def _names_of(data: dict[str, Any]) -> tuple[str, ...]:
    """Return what the address of a video says of its path."""
    address = urlsplit(str(data.get("video") or ""))
    local = parse_qs(address.query).get("d", [])  # /data/local-files/?d=PATH, below a root
    return tuple(name for name in (*local, unquote(address.path)) if name.strip("/"))
