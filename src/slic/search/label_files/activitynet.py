"""ActivityNet JSON files, which many data sets of temporal action detection use."""

from pathlib import Path
from typing import Any

from slic.files import read_json
from slic.search.label_files.base import IndexLabels, LabelRow
from slic.search.label_files.segments_json import write_json
from slic.search.label_files.values import read_number, read_source, read_text


class ActivityNet:
    """A JSON file as ActivityNet 1.3: ``database``, by video, with ``annotations`` in seconds.

    A video is named by its path. Each annotation also has ``source`` and ``confidence``, which
    other readers ignore.

    Source: http://activity-net.org/download.html, and the ground truth that its evaluation reads.
    """

    title = "ActivityNet (JSON)"
    suffix = ".activitynet.json"
    media_type = "application/json"
    keeps = "path, label, exact times, source, confidence"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write the labels of all videos, in the subset ``training``."""
        names = sorted({label.label for label in labels.labels})
        database = {
            labelled.path: {
                "duration": labelled.video.end_seconds,
                "subset": "training",
                "resolution": f"{labelled.video.width}x{labelled.video.height}",
                "url": "",
                "annotations": [
                    {
                        "segment": [label.start_seconds, label.end_seconds],
                        "label": label.label,
                        "source": label.source,
                        "confidence": label.confidence,
                    }
                    for label in labelled.labels
                ],
            }
            for labelled in labels.videos
        }
        write_json(path, {"version": "slic 1", "taxonomy": _taxonomy(names), "database": database})
        return sum(len(labelled.labels) for labelled in labels.videos)

    def read(self, path: Path) -> list[LabelRow]:
        """Return the annotations of all videos."""
        database = read_json(path)["database"]
        return [
            _row(name, annotation, number)
            for name, video in database.items()
            for number, annotation in enumerate(video["annotations"], 1)
        ]


def _taxonomy(names: list[str]) -> list[dict[str, Any]]:
    """Return the classes as children of one root, as the published files have them."""
    root = {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}
    children = [
        {"nodeId": number, "nodeName": name, "parentId": 0, "parentName": "Root"}
        for number, name in enumerate(names, 1)
    ]
    return [root, *children]


def _row(name: str, annotation: dict[str, Any], number: int) -> LabelRow:
    place = f"{name!r}, annotation {number}"
    start, end = (read_number(time, f"{place}: segment") for time in annotation["segment"])
    return LabelRow(
        paths=(name,),
        names=(name,),
        label=read_text(annotation["label"], f"{place}: label"),
        start=start,
        end=end,
        source=read_source(annotation.get("source"), place),
        confidence=read_number(annotation.get("confidence", 1.0), f"{place}: confidence"),
        place=place,
    )
