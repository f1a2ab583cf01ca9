"""Clips show the frames of their segments at the times of the video, and each is cut once."""

import csv
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from slic.datasets import read_labels
from slic.errors import LabelError, WriteError
from slic.search import Index
from slic.search.cutting import CutReport, cut_clips, plan_clips
from slic.search.labels import write_labels
from slic.search.repository import IndexSettings
from slic.search.repository.labels import LabelValue, Segment
from slic.search.repository.videos import FileState, insert_video
from slic.videos.frames import read_frames
from slic.videos.inspection import inspect_video

MakeVideo = Callable[..., Path]
ShownNumber = Callable[[np.ndarray], int]
TIMES = [0, 40, 75, 300, 340, 390, 460, 500, 2000, 2050, 2100, 2160]


@pytest.fixture
def index(tmp_path: Path, make_video: MakeVideo) -> Index:
    """Return an index of videos of constant and of variable rate, two of them of one name."""
    folder = tmp_path / "videos"
    make_video(folder / "even.mp4", frames=60, size=(160, 120))
    make_video(folder / "odd.mkv", frames=12, size=(161, 121), pixels="yuv444p", times=TIMES)
    make_video(folder / "twin" / "even.mp4", frames=30, size=(160, 120))
    settings = IndexSettings(
        encoder="0" * 16, vectors={"embedding": 8}, window_seconds=2.0, stride_seconds=1.0
    )
    made = Index.create(tmp_path / "index", settings)
    for number, path in enumerate(("even.mp4", "odd.mkv", "twin/even.mp4")):
        stat = (folder / path).stat()
        state = FileState(size=stat.st_size, mtime_ns=stat.st_mtime_ns, content_id=f"{number}" * 16)
        with made.database.transaction() as connection:
            video = inspect_video(folder / path, path)
            insert_video(connection, video, root=str(folder), state=state)
    return made


def label(index: Index, *segments: tuple[int, float, float, str]) -> None:
    values = [
        (Segment(f"{number}" * 16, start, end), LabelValue(name, 1.0, "given"))
        for number, start, end, name in segments
    ]
    write_labels(index, values)


def cut(index: Index, out: Path, **settings: object) -> CutReport:
    return cut_clips(index, out, progress=False, **settings)  # type: ignore[arg-type]


def files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_a_clip_has_the_frames_and_times_of_its_segment(
    index: Index, tmp_path: Path, shown_number: ShownNumber
) -> None:
    label(index, (0, 0.39, 1.21, "walk"), (1, 0.07, 2.06, "walk"), (2, 0.0, 0.4, "up/down"))
    report = cut(index, tmp_path / "clips")
    assert (report.written, report.kept, report.lost, report.stale) == (3, 0, 0, [])
    assert files(tmp_path / "clips") == [
        "labels.csv",
        "up_down/even-22222222_0.000-0.400.mp4",
        "walk/even-00000000_0.400-1.200.mp4",
        "walk/odd_0.075-2.050.mp4",
    ]
    for clip in plan_clips(index):
        first, end = clip.frames
        copied = inspect_video(tmp_path / "clips" / clip.path, clip.path)
        assert copied.frames == end - first
        assert (copied.width, copied.height) == (160, 120)  # even numbers
        edges = clip.video.edge_seconds[first : end + 1]
        np.testing.assert_allclose(copied.times, edges[:-1] - edges[0], atol=6e-6)
        pictures = read_frames(copied, range(copied.frames))
        original = read_frames(clip.video, range(first, end))[:, :120, :160]
        assert [shown_number(picture) for picture in pictures] == list(range(first, end))
        copied_colours, colours = (x[:, 4:20].mean(axis=(1, 2)) for x in (pictures, original))
        np.testing.assert_allclose(copied_colours, colours, atol=3)  # a wrong matrix: 9


def test_the_last_frame_lasts_as_long_as_in_the_video(index: Index, tmp_path: Path) -> None:
    label(index, (1, 0.075, 1.9, "wait"))  # its last frame is shown for 1.5 s
    cut(index, tmp_path / "clips")
    (clip,) = plan_clips(index)
    with av.open(str(tmp_path / "clips" / clip.path)) as file:
        stream = file.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(2.0 - 0.075, abs=1e-3)


def test_padding_stays_inside_the_video(index: Index, tmp_path: Path) -> None:
    label(index, (0, 0.2, 0.4, "walk"), (0, 2.2, 2.4, "run"))
    cut(index, tmp_path / "clips", padding_seconds=1.0)
    found = [clip.frames for clip in plan_clips(index, padding_seconds=1.0)]
    assert found == [(0, 35), (30, 60)]
    assert len(files(tmp_path / "clips")) == 3


def test_the_table_is_valid_as_labels_and_names_the_source(index: Index, tmp_path: Path) -> None:
    label(index, (0, 0.4, 1.2, "=1+1"), (2, 0.0, 0.4, "walk"))
    cut(index, tmp_path / "clips")
    table = tmp_path / "clips" / "labels.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["video_start"], row["video_end"]) for row in rows] == [
        ("even.mp4", "0.400000", "1.200000"),
        ("twin/even.mp4", "0.000000", "0.400000"),
    ]
    assert rows[0]["label"] == "'=1+1"  # no spreadsheet runs it
    assert read_labels(table).label == {
        "=1+1/even-00000000_0.400-1.200.mp4": "=1+1",
        "walk/even-22222222_0.000-0.400.mp4": "walk",
    }


def test_a_clip_is_cut_once_and_a_label_that_changed_is_told(index: Index, tmp_path: Path) -> None:
    label(index, (0, 0.4, 1.2, "walk"), (0, 1.2, 2.0, "run"), (2, 0.0, 0.4, "run"))
    out = tmp_path / "clips"
    assert cut(index, out, labels=["walk"]).written == 1
    before = (out / "walk/even-00000000_0.400-1.200.mp4").stat().st_mtime_ns
    report = cut(index, out)
    assert (report.written, report.kept) == (2, 1)
    assert (out / "walk/even-00000000_0.400-1.200.mp4").stat().st_mtime_ns == before
    label(index, (0, 0.4, 1.2, "run"))
    assert cut(index, out, labels=["run"]).stale == []  # other labels are left alone
    assert cut(index, out).stale == ["walk/even-00000000_0.400-1.200.mp4"]
    assert set(read_labels(out / "labels.csv").label.values()) == {"run"}


def test_a_vanished_and_a_damaged_video_are_named_and_the_rest_goes_on(
    index: Index, tmp_path: Path
) -> None:
    label(index, (0, 0.4, 1.2, "walk"), (0, 1.2, 2.0, "walk"), (1, 0.0, 2.0, "walk"))
    label(index, (2, 0.0, 0.4, "walk"))
    (tmp_path / "videos" / "even.mp4").unlink()
    broken = tmp_path / "videos" / "odd.mkv"
    data = bytearray(broken.read_bytes())
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    stat = broken.stat()
    broken.write_bytes(data)
    os.utime(broken, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # damaged before it was indexed
    report = cut(index, tmp_path / "clips")
    assert [refused.id for refused in report.refused] == ["even.mp4", "odd.mkv"]
    assert "no such file" in report.refused[0].reason
    assert (report.written, report.lost) == (1, 3)
    assert files(tmp_path / "clips") == ["labels.csv", "walk/even-22222222_0.000-0.400.mp4"]


def test_a_video_that_was_replaced_is_not_cut(index: Index, tmp_path: Path) -> None:
    label(index, (0, 0.4, 1.2, "walk"), (0, 1.2, 2.0, "walk"))
    os.utime(tmp_path / "videos" / "even.mp4")
    report = cut(index, tmp_path / "clips")
    (refused,) = report.refused
    assert refused.reason == "has changed since it was indexed; run `slic index` again"
    assert (report.written, report.lost) == (0, 2)


def test_a_full_disk_leaves_no_half_clip(index: Index, tmp_path: Path) -> None:
    label(index, (0, 0.0, 2.4, "walk"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(
            WriteError, match=r"walk/.*\.mp4: could not be written \(file too large"
        ):
            cut(index, tmp_path / "clips")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert files(tmp_path / "clips") == ["labels.csv"]


def test_nothing_to_cut_is_one_line(index: Index, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no segment of its videos is labelled"):
        cut(index, tmp_path / "clips")
    label(index, (0, 0.4, 1.2, "walk"))
    with pytest.raises(LabelError, match=r"no segment has the label 'wlak'; labels there: walk\."):
        cut(index, tmp_path / "clips", labels=["wlak"])
    assert not os.path.lexists(tmp_path / "clips")
