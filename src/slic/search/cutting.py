"""Cut labelled segments out of their videos: one clip each, in a folder for each label."""

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8
from tqdm import tqdm

from slic.errors import LabelError, VideoError
from slic.files import atomic_path, guard_cell, is_file, unguard_cell, write_atomically
from slic.search.index import Index
from slic.search.label_files.base import frame_range
from slic.search.labels import list_labels
from slic.search.repository.labels import Label
from slic.search.repository.videos import IndexedVideo, unique_paths
from slic.search.safe_names import distinct_names, safe_name
from slic.signals import StopRequested, stop_at_ctrl_c
from slic.videos.frames import stream_frames
from slic.videos.video import Refused, Video

MAX_NAMED = 10  # labels that a message names
MANIFEST = "labels.csv"
COLUMNS = ("path", "label", "video", "video_start", "video_end", "content_id")
TICKS_PER_SECOND = 90_000
"""Clock of the clips: times are exact to 6 microseconds, and for all usual frame rates."""
_OPTIONS = {"preset": "veryfast", "crf": "18", "g": "25", "bf": "0"}
_BT709, _LIMITED = 1, 1  # numbers of FFmpeg for the colours and the range of HD video


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip to cut.

    Attributes:
        path: File below the output folder.
        label: Its class name.
        video: The video that it is cut from.
        name: Path of this video that no other video of the index has.
        frames: First frame, and the one after the last.
        content_id: Digest of the content of the video.
    """

    path: str
    label: str
    video: Video
    name: str
    frames: tuple[int, int]
    content_id: str

    @property
    def row(self) -> dict[str, str]:
        """Its row of ``labels.csv``."""
        start, end = (self.video.time_of(frame) for frame in self.frames)
        cells = (self.path, self.label, self.name, f"{start:.6f}", f"{end:.6f}", self.content_id)
        return dict(zip(COLUMNS, cells, strict=True))


@dataclass(kw_only=True)
class CutReport:
    """What `cut_clips` did.

    Attributes:
        written: Number of clips that were cut.
        kept: Number of clips that were there before.
        refused: The videos that cannot be read, with the first reason.
        lost: Number of clips that were not cut because of them.
        stale: Clips of an earlier call whose labels have changed. They are still there, but not in
            ``labels.csv``.
    """

    written: int = 0
    kept: int = 0
    refused: list[Refused] = field(default_factory=list)
    lost: int = 0
    stale: list[str] = field(default_factory=list)


def cut_clips(
    index: Index,
    out: str | Path,
    *,
    labels: Collection[str] = (),
    padding_seconds: float = 0.0,
    progress: bool = True,
) -> CutReport:
    """Write each labelled segment as ``OUT/label/video_start-end.mp4``, without sound.

    Frames have the size and the times that they have in the video, from 0. A segment begins and
    ends where a frame does. ``labels.csv`` has label and source of each clip, and is valid as the
    labels of an evaluation of ``out``. A clip that is there is not cut again, so the same call
    goes on after it was stopped.

    Args:
        index: The index.
        out: Folder of the clips.
        labels: Which labels; empty for all.
        padding_seconds: Time that is added before and after each segment, within the video.
        progress: Show a progress bar on stderr.

    Raises:
        LabelError: No segment has one of the labels.
        WriteError: A clip cannot be written.
        StopRequested: Ctrl-C was pressed; the finished clips are kept.
    """
    out = Path(out)
    clips = plan_clips(index, labels=labels, padding_seconds=padding_seconds)
    if not clips:
        raise LabelError(_describe_nothing(index, labels))
    before = {row["path"]: row for row in _read_manifest(out / MANIFEST)}
    planned = {clip.path for clip in clips}
    others = {p: row for p, row in before.items() if p not in planned and is_file(out / p)}
    done = {path: row for path, row in others.items() if labels and row["label"] not in labels}
    report = CutReport(stale=sorted(others.keys() - done.keys()))
    bar = tqdm(clips, "cutting", unit="clip", disable=not progress, file=sys.stderr, leave=False)
    try:
        with stop_at_ctrl_c() as stop_requested, bar:
            for clip in bar:
                if stop_requested():
                    raise StopRequested
                if _cut_once(clip, out, before.get(clip.path), report):
                    done[clip.path] = clip.row
    finally:
        _write_manifest(out / MANIFEST, done.values())
    return report


def plan_clips(
    index: Index, *, labels: Collection[str] = (), padding_seconds: float = 0.0
) -> list[Clip]:
    """Return the clips of the labelled segments in the order of videos and time.

    Args:
        index: The index.
        labels: Which labels; empty for all.
        padding_seconds: Time before and after each segment.
    """
    segments = [label for label in list_labels(index) if label.path is not None]
    videos = {video.content_id: video for video in reversed(index.videos())}
    paths = index.database.read(unique_paths)
    folders = distinct_names(label.label for label in segments)
    stems = _stems(videos.values())
    clips: dict[str, Clip] = {}
    for label in segments:
        if labels and label.label not in labels:
            continue
        found = videos[label.content_id]
        frames = _padded_frames(label, found.video, padding_seconds)
        start, end = (found.video.time_of(frame) for frame in frames)
        name = f"{stems[label.content_id]}_{start:.3f}-{end:.3f}.mp4"
        path = f"{folders[label.label]}/{name}"
        clips[path] = Clip(
            path=path,
            label=label.label,
            video=found.video,
            name=paths[found.id],
            frames=frames,
            content_id=label.content_id,
        )
    return list(clips.values())


def _padded_frames(label: Label, video: Video, padding_seconds: float) -> tuple[int, int]:
    start = label.start_seconds - padding_seconds
    return frame_range(video, start, label.end_seconds + padding_seconds)


def _stems(videos: Iterable[IndexedVideo]) -> dict[str, str]:
    """Return the name of each content in its clips; digits of it tell equal names apart."""
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    stems = {v.content_id: safe_name(PurePosixPath(v.path).stem, max_bytes=60) for v in videos}
    for content_id, stem in stems.items():
        by_stem[stem.casefold()].append(content_id)
    return {
        content_id: stem if len(by_stem[stem.casefold()]) == 1 else f"{stem}-{content_id[:8]}"
        for content_id, stem in stems.items()
    }


def _cut_once(clip: Clip, out: Path, before: dict[str, str] | None, report: CutReport) -> bool:
    """Cut a clip unless it is there; return whether it is there now."""
    file = out / clip.path
    if is_file(file) and (before is None or before["content_id"] == clip.content_id):
        report.kept += 1
        return True
    try:
        write_clip(file, clip.video, clip.frames)
    except VideoError as error:
        report.lost += 1
        if clip.name not in {refused.id for refused in report.refused}:
            reason = str(error).removeprefix(f"{clip.video.path}: ")
            report.refused.append(Refused(clip.name, reason))
        return False
    report.written += 1
    return True


def write_clip(path: Path, video: Video, frames: tuple[int, int]) -> None:
    """Encode frames of a video as H.264 in MP4, with their presentation times from 0.

    A width or height that is odd loses a row or column, because H.264 needs even ones.

    Args:
        path: File to write.
        video: The video.
        frames: First frame, and the one after the last.

    Raises:
        VideoError: A frame does not decode.
        WriteError: The file cannot be written.
    """
    first, end = frames
    edges = video.edge_seconds[first : end + 1]
    ticks = np.round((edges - edges[0]) * TICKS_PER_SECOND).astype(np.int64).tolist()
    size = (video.width, video.height)
    pictures = stream_frames(video, range(first, end), size=size)
    try:
        with atomic_path(path) as temporary:
            _encode(temporary, pictures, ticks)
    except av.FFmpegError as error:
        raise VideoError(f"{video.path}: cannot be encoded ({error.strerror})") from error


def _encode(path: Path, pictures: Iterator[UInt8[np.ndarray, "h w 3"]], ticks: list[int]) -> None:
    first = next(pictures)
    height, width = (side - side % 2 for side in first.shape[:2])
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", options=_OPTIONS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = Fraction(1, TICKS_PER_SECOND)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        pictures = chain([first], pictures)
        for number, picture in enumerate(pictures):
            whole = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            frame = whole.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = ticks[number], Fraction(1, TICKS_PER_SECOND)
            _mux(file, stream.encode(frame), ticks)
        _mux(file, stream.encode(), ticks)


def _mux(file: OutputContainer, packets: Iterable["av.Packet[Any]"], ticks: list[int]) -> None:
    for packet in packets:
        if packet.pts == ticks[-2]:  # of the last frame, whose duration no other packet tells
            packet.duration = ticks[-1] - ticks[-2]
        file.mux(packet)


def _read_manifest(path: Path) -> list[dict[str, str]]:
    """Return the rows of an earlier call; none if there is no such file, or if it is another."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    if not all(set(COLUMNS) <= row.keys() and all(row[name] for name in COLUMNS) for row in rows):
        return []
    return [{name: unguard_cell(row[name]) for name in COLUMNS} for row in rows]


def _write_manifest(path: Path, rows: Iterable[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in sorted(rows, key=lambda row: row["path"]):
        writer.writerow({name: guard_cell(cell) for name, cell in row.items()})
    write_atomically(path, text.getvalue().encode(errors="surrogateescape"))


def _describe_nothing(index: Index, labels: Collection[str]) -> str:
    known = sorted({label.label for label in list_labels(index) if label.path is not None})
    if not known:
        return f"{index.path}: no segment of its videos is labelled."
    shown = ", ".join(known[:MAX_NAMED]) + (" and others" if len(known) > MAX_NAMED else "")
    return f"{index.path}: no segment has the label {min(labels)!r}; labels there: {shown}."
