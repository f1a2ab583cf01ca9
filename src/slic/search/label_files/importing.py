"""Read labels from a file in one of the formats of `LABEL_FILES`, and set them in an index."""

import csv
import lzma
import math
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from slic.arguments import one_line
from slic.errors import LabelError
from slic.files import reason_of
from slic.search.index import Index
from slic.search.label_files.base import LabelRow, frame_range
from slic.search.label_files.finding import VideoFinder
from slic.search.label_files.table import format_by_content, label_file
from slic.search.labels import clean_label, list_labels, write_labels
from slic.search.repository.labels import LabelValue, Segment
from slic.search.repository.videos import IndexedVideo
from slic.videos.video import Video

MAX_UNZIPPED_BYTES, MAX_UNZIPPED_FILES = 2**30, 2**17
MAX_REASON_CHARACTERS = 300
_WRONG_STRUCTURE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError,
    csv.Error, zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What the content of a file raises; the last four come from a damaged or encrypted zip."""


@dataclass(frozen=True, kw_only=True)
class ImportedLabels:
    """What `import_labels` did.

    Attributes:
        labels: Number of labelled segments that were set.
        change_id: What `undo_label_change` takes.
        unknown_labels: Number of labels of videos that the index does not have.
        unknown_videos: Names of these videos, each once.
        replaced: For each label that a later row of the file replaced, because both have the same
            video and the same times, where both stand and what they say.
    """

    labels: int
    change_id: int
    unknown_labels: int
    unknown_videos: tuple[str, ...]
    replaced: tuple[str, ...]


def import_labels(
    index: Index,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    replace: bool = False,
) -> ImportedLabels:
    """Read labels from a file and set them as one change, which `undo_label_change` undoes.

    A label without times holds for the whole video. Segments may overlap: all are kept, and a
    moment has the label of the nearest one. Of two labels for the same segment, the later row
    stays. A segment of a format that counts frames is the one of the index whose times differ by at
    most half a frame, so that a label that was corrected in a tool replaces the former one.

    Args:
        index: The index.
        path: A file, a folder, or a zip of a folder.
        format: Name of a format in `LABEL_FILES`, or the import path of a `LabelFile`; None lets
            the content of the file decide.
        replace: First remove all labels of the videos that have labels in the file. Otherwise
            labels for other segments stay as they are.

    Raises:
        LabelError: The file cannot be read, a row is wrong, or no video is in the index. Nothing
            was set.
        FormatError: The file has another version of the format.
    """
    path = Path(path)
    rows = _read_rows(path, format)
    finder = VideoFinder(index.videos(), folder=path.parent)
    present = _LabelledSegments(index)
    segments: dict[Segment, tuple[LabelValue, str]] = {}
    unknown: list[LabelRow] = []
    replaced: list[str] = []
    for row in rows:
        try:
            segment = _segment_of(row, finder, present)
            value = _value_of(row)
        except ValueError as error:
            raise LabelError(f"{path}: {row.place}: {error}.") from error
        if segment is None:
            unknown.append(row)
            continue
        before = segments.get(segment)
        if before and before[0].label != value.label:
            replaced.append(f"{before[1]} {before[0].label!r}, {row.place} {value.label!r}")
        segments[segment] = (value, row.place)
    names = tuple(dict.fromkeys(row.paths[0] if row.paths else row.place for row in unknown))
    if not segments:
        raise LabelError(_describe_nothing(index, path, names))
    contents = {segment.content_id for segment in segments} if replace else set()
    change = write_labels(
        index,
        [(segment, value) for segment, (value, _) in segments.items()],
        remove=[segment for content in contents for segment in present.of(content)],
    )
    return ImportedLabels(
        labels=change.moments,
        change_id=change.id,
        unknown_labels=len(unknown),
        unknown_videos=names,
        replaced=tuple(replaced),
    )


def _read_rows(path: Path, name: str | None) -> list[LabelRow]:
    try:
        with _unzipped(path) as place:
            file = label_file(name) if name else format_by_content(place)
            return file.read(place)
    except _WRONG_STRUCTURE as error:
        reason = one_line(error)[:MAX_REASON_CHARACTERS] or type(error).__name__
        reason = f"no {reason}" if isinstance(error, KeyError) else reason
        if isinstance(error, OSError):
            reason = reason_of(error)
        raise LabelError(f"{path}: cannot be read as labels ({reason}).") from error


@contextmanager
def _unzipped(path: Path) -> Iterator[Path]:
    """Yield the path, or for a zip a temporary folder with its files."""
    if path.is_dir() or path.suffix.lower() != ".zip":
        yield path
        return
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        entries = archive.infolist()
        if len(entries) > MAX_UNZIPPED_FILES:
            raise ValueError(f"it has more than {MAX_UNZIPPED_FILES} files")
        if sum(entry.file_size for entry in entries) > MAX_UNZIPPED_BYTES:
            raise ValueError(f"its files are larger than {MAX_UNZIPPED_BYTES >> 20} MiB")
        archive.extractall(folder)
        yield Path(folder)


class _LabelledSegments:
    """The labelled segments of an index, by content."""

    def __init__(self, index: Index) -> None:
        self._segments: defaultdict[str, list[Segment]] = defaultdict(list)
        for label in list_labels(index):
            segment = Segment(label.content_id, label.start_seconds, label.end_seconds)
            self._segments[label.content_id].append(segment)
        self._frames: dict[str, Int64[np.ndarray, "n 2"]] = {}

    def of(self, content_id: str) -> list[Segment]:
        """Return those of a content."""
        return self._segments.get(content_id, [])

    def same_as(self, segment: Segment, video: Video) -> list[Segment]:
        """Return those with the same frames, or that differ by half a frame at most."""
        labelled = self.of(segment.content_id)
        if not labelled:
            return []
        if segment.content_id not in self._frames:
            frames = [frame_range(video, *one[1:]) for one in labelled]
            self._frames[segment.content_id] = np.array(frames, np.int64)
        times = np.array([one[1:] for one in labelled])
        near = np.abs(times - segment[1:]) <= 0.5 / video.fps + 1e-6
        same = self._frames[segment.content_id] == frame_range(video, *segment[1:])
        found = np.flatnonzero(near.all(axis=1) | same.all(axis=1))
        return [labelled[place] for place in found.tolist()]


def _segment_of(row: LabelRow, finder: VideoFinder, present: _LabelledSegments) -> Segment | None:
    """Return the segment of a row; None if the index does not have its video.

    Raises:
        ValueError: The times are impossible.
    """
    found = finder.find(row)
    times = (row.start, row.end)
    if any(time is not None and not math.isfinite(time) for time in times):
        raise ValueError(f"the times {row.start} to {row.end} are not finite")
    if row.start is not None and row.start < 0:
        raise ValueError(f"the start {row.start:g} is negative")
    if row.start is not None and row.end is not None and row.end <= row.start:
        raise ValueError(f"the end {row.end:g} is not after the start {row.start:g}")
    if found is None:
        if row.content_id is None or row.start is None or row.end is None:
            return None
        return Segment(row.content_id, row.start, row.end)  # the content may come later
    segment = Segment(found.content_id, *_seconds_of(row, found))
    if row.exact:
        return segment
    same = present.same_as(segment, found.video)
    return min(same, key=lambda old: _distance(old, segment), default=segment)


def _distance(one: Segment, other: Segment) -> float:
    return abs(one.start_seconds - other.start_seconds) + abs(one.end_seconds - other.end_seconds)


def _seconds_of(row: LabelRow, found: IndexedVideo) -> tuple[float, float]:
    video = found.video
    if row.unit == "frames":
        end = video.frames if row.end is None else row.end
        start = row.start or 0
        if start >= video.frames or end > video.frames:
            raise ValueError(
                f"frames {start:g} to {end:g}, but {found.path} has {video.frames} frames"
            )
        return video.time_of(int(start)), video.time_of(int(end))
    start = 0.0 if row.start is None else row.start
    end = video.end_seconds if row.end is None else row.end
    if start >= video.end_seconds or end > video.end_seconds + 1 / video.fps:
        raise ValueError(
            f"{start:g} to {end:g} s, but {found.path} ends at {video.end_seconds:g} s"
        )
    return start, end


def _value_of(row: LabelRow) -> LabelValue:
    if not 0 <= row.confidence <= 1:
        raise ValueError(f"the confidence {row.confidence:g} is not from 0 to 1")
    try:
        return LabelValue(clean_label(row.label), row.confidence, row.source)
    except LabelError as error:
        raise ValueError(str(error).removesuffix(".")) from error


def _describe_nothing(index: Index, path: Path, names: tuple[str, ...]) -> str:
    if not names:
        return f"{path}: has no labels."
    return (
        f"{path}: none of its {len(names)} videos is in {index.path}, the first is {names[0]!r}; "
        "its paths must be relative to the indexed folder, or absolute."
    )
