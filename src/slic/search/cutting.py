"""Cut labelled segments out of their videos: one clip each, in a folder for each label."""

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from slic.errors import LabelError, SearchError, VideoError
from slic.files import guard_cell, is_file, unguard_cell, write_atomically
from slic.search.clip_writing import write_clip
from slic.search.index import Index
from slic.search.label_files.base import frame_range
from slic.search.labels import list_labels
from slic.search.repository.labels import Label
from slic.search.repository.videos import IndexedVideo, select_files, unique_paths
from slic.search.safe_names import distinct_names, safe_name
from slic.signals import StopRequested, stop_at_ctrl_c
from slic.videos.contents import content_id
from slic.videos.frame_folder import is_picture_clip
from slic.videos.video import Refused, Video

MAX_NAMED = 10  # labels that a message names
MANIFEST = "labels.csv"
COLUMNS = ("path", "label", "video", "video_start", "video_end", "content_id")


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
        state: Size and time of the change of its file when it was indexed.
    """

    path: str
    label: str
    video: Video
    name: str
    frames: tuple[int, int]
    content_id: str
    state: tuple[int, int]

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

    Raises:
        SearchError: The database is damaged.
    """
    segments = [label for label in list_labels(index) if label.path is not None]
    videos = {video.content_id: video for video in reversed(index.videos())}
    paths = index.database.read(unique_paths)
    states = {file.id: (file.size, file.mtime_ns) for file in index.database.read(select_files)}
    folders = distinct_names(label.label for label in segments)
    stems = _stems(videos.values())
    clips: dict[str, Clip] = {}
    for label in segments:
        if labels and label.label not in labels:
            continue
        if (found := videos.get(label.content_id)) is None:  # its tables contradict each other
            raise SearchError(
                f"{index.path}: damaged, {label.path} has two contents; restore a backup, or index "
                "the videos into another folder with `slic index`."
            )
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
            state=states[found.id],
        )
    return list(clips.values())


def _padded_frames(label: Label, video: Video, padding_seconds: float) -> tuple[int, int]:
    start = label.start_seconds - padding_seconds
    return frame_range(video, start, label.end_seconds + padding_seconds)


def _stems(videos: Iterable[IndexedVideo]) -> dict[str, str]:
    """Return the name of each content in its clips; digits of it tell equal names apart."""
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    stems = {v.content_id: safe_name(PurePosixPath(v.path).stem, max_bytes=60) for v in videos}
    for content, stem in stems.items():
        by_stem[stem.casefold()].append(content)
    return {
        content: stem if len(by_stem[stem.casefold()]) == 1 else f"{stem}-{content[:8]}"
        for content, stem in stems.items()
    }


def _cut_once(clip: Clip, out: Path, before: dict[str, str] | None, report: CutReport) -> bool:
    """Cut a clip unless it is there; return whether it is there now."""
    file = out / clip.path
    if is_file(file) and (before is None or before["content_id"] == clip.content_id):
        report.kept += 1
        return True
    try:
        _require_unchanged(clip)
        write_clip(file, clip.video, clip.frames)
    except VideoError as error:
        report.lost += 1
        if clip.name not in {refused.id for refused in report.refused}:
            reason = str(error).removeprefix(f"{clip.video.path}: ")
            report.refused.append(Refused(clip.name, reason))
        return False
    report.written += 1
    return True


def _require_unchanged(clip: Clip) -> None:
    """Raise a VideoError if the file has other bytes than when it was indexed."""
    path = clip.video.path
    if is_picture_clip(path) or not is_file(path):
        return  # reading its frames tells what is wrong
    stat = path.stat()
    state = (stat.st_size, stat.st_mtime_ns)
    if state != clip.state and _digest(path, state) != clip.content_id:
        raise VideoError(f"{path}: has changed since it was indexed; run `slic index` again")


@lru_cache(maxsize=64)
def _digest(path: Path, state: tuple[int, int]) -> str:  # noqa: ARG001 (a changed file is read again)
    return content_id(path)


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
