"""CVAT: a file "CVAT for video 1.1" for each video, which is one task there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from slic.errors import LabelError
from slic.files import write_atomically
from slic.parsing import parse_xml
from slic.search.label_files.base import IndexLabels, LabelledVideo, LabelRow, frame_range
from slic.search.label_files.segments_json import write_json
from slic.search.label_files.values import read_number, read_source, read_text
from slic.search.repository.labels import Label

MAX_CHARACTERS = 64  # of a label in CVAT
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ATTRIBUTES = [
    {
        "name": "source",
        "input_type": "select",
        "mutable": False,
        "values": ["given", "spread"],
        "default_value": "given",
    },
    {
        "name": "confidence",
        "input_type": "text",
        "mutable": False,
        "values": ["1"],
        "default_value": "1",
    },
]


class Cvat:
    """A folder with an XML file for each video, and ``labels.json`` for the labels of a task.

    A labelled segment is a track: a box around the whole picture from the first frame to the last.
    Frames are counted in the order of presentation, so the real times of the video are used, and
    times move by at most half a frame.

    Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/
    """

    title = "CVAT for video 1.1 (folder)"
    suffix = ".cvat.zip"
    media_type = "application/zip"
    keeps = "path, label, times to half a frame, source, confidence"

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write ``0001.xml``, ``0002.xml`` and so on, and ``labels.json``.

        Files of an earlier export that had more videos are removed.
        """
        names = sorted({label.label for video in labels.videos for label in video.labels})
        if long := [name for name in names if len(name) > MAX_CHARACTERS]:
            raise LabelError(
                f"label {long[0]!r}: a label of CVAT has at most {MAX_CHARACTERS} characters, and "
                f"this one {len(long[0])}; give it a shorter name."
            )
        for labelled in labels.videos:
            if _NOT_XML.search(labelled.path):
                raise LabelError(f"{labelled.path!r}: XML cannot hold this name; rename the file.")
        specification = [{"name": name, "attributes": _ATTRIBUTES} for name in names]
        write_json(path / "labels.json", specification)
        digits = max(4, len(str(len(labels.videos))))
        for number, labelled in enumerate(labels.videos, 1):
            root = _annotations(labelled, names, number)
            text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
            write_atomically(path / f"{number:0{digits}d}.xml", text)
        for old in path.glob("*.xml"):
            if old.stem.isdecimal() and int(old.stem) > len(labels.videos):
                old.unlink()
        return sum(len(video.labels) for video in labels.videos)

    def read(self, path: Path) -> list[LabelRow]:
        """Return the tracks and the tags of an XML file, or of all those in a folder."""
        files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
        return [row for file in files for row in _rows_of_file(file)]


def _annotations(labelled: LabelledVideo, names: list[str], number: int) -> ET.Element:
    video = labelled.video
    root = ET.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    for tag, text in (
        ("id", number), ("name", labelled.path), ("size", video.frames), ("mode", "interpolation"),
        ("start_frame", 0), ("stop_frame", video.frames - 1),
    ):  # fmt: skip
        _add(task, tag, str(text))
    labels = _add(task, "labels")
    for name in names:
        label = _add(labels, "label")
        _add(label, "name", name)
        attributes = _add(label, "attributes")
        for attribute in _ATTRIBUTES:
            _add_attribute(attributes, attribute)
    size = _add(task, "original_size")
    _add(size, "width", str(video.width))
    _add(size, "height", str(video.height))
    _add(task, "source", video.path.name)
    for place, label_of_segment in enumerate(labelled.labels):
        root.append(_track(labelled, label_of_segment, place))
    ET.indent(root)
    return root


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text
    return child


def _add_attribute(parent: ET.Element, attribute: dict[str, Any]) -> None:
    child = _add(parent, "attribute")
    _add(child, "name", attribute["name"])
    _add(child, "mutable", str(attribute["mutable"]))
    _add(child, "input_type", attribute["input_type"])
    _add(child, "default_value", attribute["default_value"])
    _add(child, "values", "\n".join(attribute["values"]))


def _track(labelled: LabelledVideo, label: Label, number: int) -> ET.Element:
    video = labelled.video
    first, end = frame_range(video, label.start_seconds, label.end_seconds)
    track = ET.Element("track", id=str(number), label=label.label, source="manual")
    frames = [(first, "0")] + ([(end, "1")] if end < video.frames else [])
    for frame, outside in frames:
        places = {"xtl": "0.00", "ytl": "0.00"}
        places |= {"xbr": f"{video.width:.2f}", "ybr": f"{video.height:.2f}", "z_order": "0"}
        states = {"outside": outside, "occluded": "0", "keyframe": "1"}
        box = ET.SubElement(track, "box", {"frame": str(frame)} | states | places)
        for name, text in (("source", label.source), ("confidence", str(label.confidence))):
            ET.SubElement(box, "attribute", name=name).text = text
    return track


def _rows_of_file(file: Path) -> list[LabelRow]:
    try:
        root = parse_xml(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error
    if root.tag != "annotations":
        raise ValueError(f"{file.name}: the root is <{root.tag}>, not <annotations>")
    rows = []
    tasks = {task.findtext("id"): _names_of(task) for task in root.iterfind(".//meta//task")}
    job = root.find("./meta/job")
    alone = next(iter(tasks.values()), () if job is None else _names_of(job))
    for element in root.iterfind("track"):
        names = tasks.get(element.get("task_id"), alone)
        place = f"{file.name}, track {element.get('id')}"
        rows += [_row(element, *frames, names, place) for frames in _visible_ranges(element)]
    for first, end, tag in _tag_ranges(root):
        rows.append(_row(tag, first, end, alone, f"{file.name}, tag at frame {first}"))
    return rows


def _names_of(task: ET.Element) -> tuple[str, ...]:
    """Return the name of a task and the name of its file."""
    names = (task.findtext("name"), task.findtext("source"))
    return tuple(name for name in names if name)


def _row(
    element: ET.Element, first: int, end: int | None, names: tuple[str, ...], place: str
) -> LabelRow:
    attributes = {a.get("name"): a.text for a in element.iter("attribute")}
    automatic = element.get("source") in ("auto", "semi-auto")
    source = attributes.get("source") or ("spread" if automatic else "given")
    return LabelRow(
        paths=names[:1],
        names=names,
        label=read_text(element.attrib["label"], f"{place}: label"),
        start=float(first),
        end=None if end is None else float(end),
        unit="frames",
        exact=False,
        source=read_source(source, place),
        confidence=read_number(attributes.get("confidence") or 1.0, f"{place}: confidence"),
        place=place,
    )


def _visible_ranges(track: ET.Element) -> Iterator[tuple[int, int | None]]:
    """Give the ranges of frames in which a track is visible; None is the end of the video."""
    shapes = [shape for shape in track if shape.get("frame") is not None]
    first = None
    for shape in sorted(shapes, key=lambda shape: int(shape.attrib["frame"])):
        frame, outside = int(shape.attrib["frame"]), shape.get("outside") == "1"
        if first is None and not outside:
            first = frame
        elif first is not None and outside:
            yield first, frame
            first = None
    if first is not None:
        yield first, None


def _tag_ranges(root: ET.Element) -> Iterator[tuple[int, int, ET.Element]]:
    """Give first frame, end and tag of each run of successive frames with the same tag."""
    runs: dict[str, tuple[int, int, ET.Element]] = {}
    images = sorted(root.iterfind("image"), key=lambda image: int(image.attrib["id"]))
    for image in images:
        frame = int(image.attrib["id"])
        for tag in image.iterfind("tag"):
            first, end, began = runs.get(tag.attrib["label"], (frame, frame, tag))
            if end != frame:
                yield first, end, began
                first, began = frame, tag
            runs[tag.attrib["label"]] = (first, frame + 1, began)
    yield from runs.values()
