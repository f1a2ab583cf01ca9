"""Folders that FiftyOne reads as a dataset of temporal detections."""

from pathlib import Path
from typing import Any, Literal

from slic.files import read_json
from slic.search.label_files.base import IndexLabels, LabelledVideo, LabelRow
from slic.search.label_files.segments_json import write_json
from slic.search.label_files.values import read_number, read_source, read_text
from slic.search.repository.labels import Label


class FiftyOne:
    """A folder with ``data.json``, the paths of the files, and ``labels.json``.

    It is a ``FiftyOneTemporalDetectionDataset``. The videos stay where they are.

    Source: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html
    """

    title = "FiftyOne (folder)"
    suffix = ".fiftyone.zip"
    media_type = "application/zip"
    keeps = "path, label, exact times, source, confidence"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write both files."""
        classes = sorted({label.label for video in labels.videos for label in video.labels})
        number_of = {label: number for number, label in enumerate(classes)}
        videos = {f"{number:06d}": video for number, video in enumerate(labels.videos, 1)}
        files = {key: str(video.video.path) for key, video in videos.items()}
        entries = {key: _detections(video, number_of) for key, video in videos.items()}
        write_json(path / "data.json", files)
        write_json(path / "labels.json", {"classes": classes, "labels": entries})
        return sum(map(len, entries.values()))

    def read(self, path: Path) -> list[LabelRow]:
        """Return the detections of a folder with both files."""
        files, content = read_json(path / "data.json"), read_json(path / "labels.json")
        classes = content.get("classes")
        return [
            _row(files[key], detection, classes, f"{key!r}, detection {number}")
            for key, detections in content["labels"].items()
            for number, detection in enumerate(detections or (), 1)
        ]


def _detections(video: LabelledVideo, number_of: dict[str, int]) -> list[dict[str, Any]]:
    return [_detection(label, number_of[label.label]) for label in video.labels]


def _detection(label: Label, number: int) -> dict[str, Any]:
    return {
        "label": number,
        "timestamps": [label.start_seconds, label.end_seconds],
        "confidence": label.confidence,
        "attributes": {"source": label.source},
    }


def _row(file: str, detection: dict[str, Any], classes: list[str] | None, place: str) -> LabelRow:
    name = detection["label"]
    attributes = detection.get("attributes") or {}
    confidence = detection.get("confidence")
    start, end, unit = _range_of(detection, place)
    return LabelRow(
        paths=(read_text(file, f"{place}: path"),),
        label=read_text(classes[name] if classes and isinstance(name, int) else name, place),
        start=start,
        end=end,
        unit=unit,
        exact=unit == "seconds",
        source=read_source(attributes.get("source"), place),
        confidence=1.0 if confidence is None else read_number(confidence, place),
        place=place,
    )


def _range_of(
    detection: dict[str, Any], place: str
) -> tuple[float, float, Literal["seconds", "frames"]]:
    """Return a range in seconds, or in frames from 0 with an exclusive end.

    FiftyOne counts frames from 1, and the last one belongs to the range.
    """
    if "timestamps" in detection:
        start, end = (read_number(time, place) for time in detection["timestamps"])
        return start, end, "seconds"
    first, last = (read_number(frame, place) for frame in detection["support"])
    return first - 1, last, "frames"
