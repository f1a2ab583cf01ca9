"""CVAT files: as its manual describes them, as it exports them, and as datumaro reads them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from slic.errors import LabelError
from slic.search import Index, export_labels, import_labels, list_labels, set_label
from slic.search.label_files.base import frame_range
from slic.search.labels import write_labels
from slic.search.repository.labels import LabelValue, Segment

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]
BOX = 'xtl="0.00" ytl="0.00" xbr="64.00" ybr="48.00" occluded="0"'


def box(frame: int, *, outside: int = 0, keyframe: int = 1) -> str:
    return f'<box frame="{frame}" outside="{outside}" keyframe="{keyframe}" {BOX}></box>'


def track(label: str, *boxes: str, attributes: str = "") -> str:
    return f'<track id="0" label="{label}" {attributes}>{"".join(boxes)}</track>'


def task(name: str, source: str, number: int = 1) -> str:
    return f"<task><id>{number}</id><name>{name}</name><source>{source}</source></task>"


def xml(meta: str, *elements: str) -> str:
    meta = f"<version>1.1</version><meta>{meta}</meta>"
    return f"<?xml version='1.0'?><annotations>{meta}{''.join(elements)}</annotations>"


def found(index: Index) -> list[tuple[str | None, float, float, str, str]]:
    return [(x.path, x.start_seconds, x.end_seconds, x.label, x.source) for x in list_labels(index)]


def test_a_track_by_hand(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    """0.4 to 1.2 s are the frames 10 to 29; a track ends with a box outside, except at the end."""
    index = fill({"sub/a <b>.mp4": rows(3)})
    content = "content of sub/a <b>.mp4"
    given, spread = LabelValue("walk & run", 1.0, "given"), LabelValue("run", 0.75, "spread")
    write_labels(index, [(Segment(content, 0.4, 1.2), given), (Segment(content, 3, 4), spread)])
    export_labels(index, tmp_path / "x.cvat")
    root = ET.parse(tmp_path / "x.cvat" / "0001.xml").getroot()
    assert [root.findtext(f"meta/task/{tag}") for tag in ("name", "size", "mode", "source")] == [
        "sub/a <b>.mp4", "100", "interpolation", "a <b>.mp4",
    ]  # fmt: skip
    tracks = [(t.get("label"), [dict(b.attrib) for b in t]) for t in root.iter("track")]
    place = {"xtl": "0.00", "ytl": "0.00", "xbr": "64.00", "ybr": "48.00", "z_order": "0"}
    states = {"outside": "0", "occluded": "0", "keyframe": "1"} | place
    assert tracks == [
        ("walk & run", [{"frame": "10"} | states, {"frame": "30"} | states | {"outside": "1"}]),
        ("run", [{"frame": "75"} | states]),
    ]
    values = [a.text for a in next(root.iter("track")).iter("attribute")]
    assert values == ["given", "1.0"] * 2
    labels = json.loads((tmp_path / "x.cvat" / "labels.json").read_text())
    assert [label["name"] for label in labels] == ["run", "walk & run"]
    assert {a["name"] for a in labels[0]["attributes"]} == {"source", "confidence"}


def test_files_of_an_earlier_export_are_removed(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    index = fill({"a.mp4": rows(2), "b.mp4": rows(2)})
    set_label(index, [1, 3], "walk")
    export_labels(index, tmp_path / "x.cvat")
    (tmp_path / "x.cvat" / "mine.xml").touch()
    set_label(index, [3], None)
    export_labels(index, tmp_path / "x.cvat")
    names = sorted(path.name for path in (tmp_path / "x.cvat").iterdir())
    assert names == ["0001.xml", "labels.json", "mine.xml"]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_task_as_cvat_exports_it(fill: Fill, rows: Rows, tmp_path: Path, *, zipped: bool) -> None:
    """All frames are listed, those between key frames too; one track is visible twice."""
    index = fill({"sub/a.mp4": rows(3)})
    between = [box(frame, keyframe=0) for frame in range(11, 25)]
    twice = [box(10), *between, box(25, outside=1), box(50), box(60, outside=1)]
    file = xml(
        task("My task 7", "a.mp4"),
        track("walk", *twice, attributes='source="manual" group_id="0"'),
        track("run", box(90), box(91, keyframe=0), attributes='source="semi-auto"'),
    )
    if zipped:
        with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
            archive.writestr("annotations.xml", file)
    else:
        (tmp_path / "annotations.xml").write_text(file)
    import_labels(index, tmp_path / ("task.zip" if zipped else "annotations.xml"))
    assert found(index) == [
        ("sub/a.mp4", 0.4, 1.0, "walk", "given"),
        ("sub/a.mp4", 2.0, 2.4, "walk", "given"),
        ("sub/a.mp4", 3.6, 4.0, "run", "spread"),
    ]


def test_a_project_has_several_tasks(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    index = fill({"a.mp4": rows(1), "b.mp4": rows(1)})
    tasks = f"<project><tasks>{task('a.mp4', 'x', 3)}{task('b.mp4', 'x', 4)}</tasks></project>"
    tracks = [
        track("walk", box(0), box(25, outside=1), attributes=f'task_id="{number}"')
        for number in (3, 4)
    ]
    (tmp_path / "annotations.xml").write_text(xml(tasks, *tracks))
    import_labels(index, tmp_path / "annotations.xml")
    assert found(index) == [(f"{x}.mp4", 0.0, 1.0, "walk", "given") for x in "ab"]


def test_tags_of_successive_frames_are_one_segment(fill: Fill, rows: Rows, tmp_path: Path) -> None:
    """CVAT exports the tags of a video in "CVAT for images 1.1"."""
    index = fill({"a.mp4": rows(3)})
    images = [
        f'<image id="{frame}" name="frame_{frame:06d}" width="64" height="48">'
        f'<tag label="walk" source="manual"></tag>{extra}</image>'
        for frame, extra in [(3, ""), (4, '<tag label="run"/>'), (5, ""), (50, "")]
    ]
    (tmp_path / "annotations.xml").write_text(xml(task("a.mp4", "a.mp4"), *images))
    import_labels(index, tmp_path / "annotations.xml")
    assert found(index) == [
        ("a.mp4", 0.12, 0.24, "walk", "given"),
        ("a.mp4", 0.16, 0.2, "run", "given"),
        ("a.mp4", 2.0, 2.04, "walk", "given"),
    ]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("<annotations>", r"annotations.xml: no element found: line 1"),
        ("<data/>", r"annotations.xml: the root is <data>, not <annotations>"),
        (xml(task("a.mp4", ""), track("x", box(50), box(200, outside=1))),
         r"annotations.xml, track 0: frames 50 to 200, but a.mp4 has 50 frames"),
        (xml(task("a.mp4", ""), track("x", "<box frame='one'/>")), "invalid literal"),
        (xml(task("a.mp4", ""), track("", box(1))), "label: '' is not a text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    fill: Fill, rows: Rows, tmp_path: Path, file: str, message: str
) -> None:
    (tmp_path / "annotations.xml").write_text(file)
    with pytest.raises(LabelError, match=message):
        import_labels(fill({"a.mp4": rows(1)}), tmp_path / "annotations.xml")


def test_what_cvat_cannot_hold_is_refused_before_a_file_is_written(
    fill: Fill, rows: Rows, tmp_path: Path
) -> None:
    index = fill({"a.mp4": rows(1)})
    set_label(index, [1], "x" * 65)
    with pytest.raises(LabelError, match="has at most 64 characters, and this one 65"):
        export_labels(index, tmp_path / "x.cvat")
    index = fill({"a\x01.mp4": rows(1)}, name="control")
    set_label(index, [1], "walk")
    with pytest.raises(LabelError, match="XML cannot hold this name"):
        export_labels(index, tmp_path / "x.cvat")
    assert not (tmp_path / "x.cvat").exists()


def test_datumaro_reads_all_tracks(odd_index: Index, tmp_path: Path) -> None:
    """Read with datumaro 1.13.12, the data set library of CVAT."""
    base = pytest.importorskip(
        "datumaro.plugins.data_formats.cvat.base",
        reason="datumaro has 30 dependencies; the tests above have the documented structure",
    )
    label_type = pytest.importorskip("datumaro").AnnotationType.label
    export_labels(odd_index, tmp_path / "x.cvat")
    videos = {v.content_id: v.video for v in odd_index.videos()}
    wanted = [
        (x.label, *frame_range(videos[x.content_id], x.start_seconds, x.end_seconds), x.source)
        for x in list_labels(odd_index)
    ]
    ranges = []
    for file in sorted((tmp_path / "x.cvat").glob("*.xml")):
        reader = base.CvatBase(str(file))
        names = [label.name for label in reader.categories()[label_type]]
        frames = int(ET.parse(file).findtext("meta/task/size") or 0)
        tracks: dict[int, list[tuple[int, bool, str, str]]] = {}
        for item in reader:
            for a in item.annotations:
                row = (int(item.attributes["frame"]), a.attributes["outside"], names[a.label])
                tracks.setdefault(a.attributes["track_id"], []).append(
                    (*row, a.attributes["source"])
                )
        for boxes in tracks.values():
            (first, _, label, source), *rest = sorted(boxes)
            ranges.append((label, first, rest[0][0] if rest else frames, source))
    assert sorted(ranges) == sorted(wanted)
