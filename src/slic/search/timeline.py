"""The timeline of a video: its moments and labels, and time ranges as labels and as queries."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from slic.errors import SearchError
from slic.search.index import Index
from slic.search.labels import LabelChange, clean_label
from slic.search.query import MAX_QUERY_WINDOWS, Query
from slic.search.repository import labels as label_table
from slic.search.repository.labels import LabelValue, Segment
from slic.search.repository.timeline import (
    VideoMoments,
    select_labels_of_content,
    select_moments_of_video,
)
from slic.search.repository.videos import IndexedVideo

MIN_RANGE_SECONDS = 0.01
_TOUCHING_SECONDS = 1e-6  # rounding of times


class VideoTimeline(NamedTuple):
    """What is known of a video, in the order of time.

    Attributes:
        moments: Its moments.
        labels: Its labelled segments, which may overlap.
    """

    moments: VideoMoments
    labels: list[tuple[Segment, LabelValue]]


def video_timeline(index: Index, video_id: int) -> VideoTimeline:
    """Return moments and labels of a video.

    Raises:
        SearchError: There is no such video.
    """
    video = index.video(video_id)
    return VideoTimeline(
        index.database.read(select_moments_of_video, video_id),
        index.database.read(select_labels_of_content, video.content_id),
    )


def label_range(
    index: Index, video_id: int, *, start_seconds: float, end_seconds: float, label: str | None
) -> LabelChange:
    """Set the label of a time range of a video, or remove the labels inside it (None).

    The range does not have to begin or end with a moment. A moment gets the label of the nearest
    range that covers enough of it, see `slic.search.repository.labels`.

    Args:
        index: The index.
        video_id: The video.
        start_seconds: Start of the range; clamped to the video.
        end_seconds: End of the range; clamped to the video.
        label: The class name, see `slic.search.labels.clean_label`. None removes every label whose
            segment lies in the range.

    Raises:
        SearchError: There is no such video, or the range is empty.
        LabelError: The label is empty, too long or not printable.

    Example:
        >>> label_range(index, 3, start_seconds=12.5, end_seconds=14.0, label="fall")
        LabelChange(moments=1, id=1764421231000000)
    """
    chosen = _range_of(index.video(video_id), start_seconds, end_seconds)
    value = None if label is None else LabelValue(clean_label(label), 1.0, "given")
    with index.database.transaction() as connection:
        change = label_table.next_change_id(connection)
        if value is not None:
            segments = [chosen]
        else:
            labelled = select_labels_of_content(connection, chosen.content_id)
            segments = [segment for segment, _ in labelled if _contains(chosen, segment)]
        for segment in segments:
            label_table.change_label(connection, change, segment, value)
    return LabelChange(len(segments), change)


def query_from_range(
    index: Index, video_id: int, *, start_seconds: float, end_seconds: float
) -> Query:
    """Return the query of a time range of an indexed video, from its stored moments.

    Its windows are the moments inside the range, or the one that shares most time with it.

    Raises:
        SearchError: There is no such video, the range is empty or too long, or the video has no
            moment.
    """
    video = index.video(video_id)
    chosen = _range_of(video, start_seconds, end_seconds)
    moments = index.database.read(select_moments_of_video, video_id)
    if len(moments.ids) == 0:
        raise SearchError(f"{video.path}: it has no moments yet; run `slic index` again.")
    stride_seconds = index.settings.stride_seconds
    inside = _regular(moments, _inside(moments, chosen), stride_seconds - 1 / video.video.fps)
    if len(inside) > MAX_QUERY_WINDOWS:
        raise SearchError(
            f"{video.path}: {chosen.end_seconds - chosen.start_seconds:.0f} s are too long for a "
            f"query; choose a range of at most {MAX_QUERY_WINDOWS * stride_seconds:.0f} s."
        )
    ids = moments.ids[inside]
    return Query(index.vectors(ids), tuple(ids.tolist()), index.parts)


def _range_of(video: IndexedVideo, start_seconds: float, end_seconds: float) -> Segment:
    """Return a range, clamped to the video."""
    start, end = max(0.0, start_seconds), min(end_seconds, video.video.end_seconds)
    if not end - start >= MIN_RANGE_SECONDS:
        raise SearchError(
            f"{video.path}: the range from {start_seconds:g} s to {end_seconds:g} s is empty; "
            f"the video has {video.duration_seconds:.2f} s."
        )
    return Segment(video.content_id, start, end)


def _contains(chosen: Segment, segment: Segment) -> bool:
    starts_inside = segment.start_seconds >= chosen.start_seconds - MIN_RANGE_SECONDS
    return starts_inside and segment.end_seconds <= chosen.end_seconds + MIN_RANGE_SECONDS


def _inside(moments: VideoMoments, chosen: Segment) -> Int64[np.ndarray, " m"]:
    """Return the places of the moments in a range, or of the one that shares most time with it."""
    first, last = chosen.start_seconds - _TOUCHING_SECONDS, chosen.end_seconds + _TOUCHING_SECONDS
    inside = np.flatnonzero((moments.starts >= first) & (moments.ends <= last))
    if len(inside):
        return inside
    middle = (chosen.start_seconds + chosen.end_seconds) / 2
    shared: Float64[np.ndarray, " n"] = np.minimum(moments.ends, chosen.end_seconds) - np.maximum(
        moments.starts, chosen.start_seconds
    )
    away = abs((moments.starts + moments.ends) / 2 - middle)
    return np.lexsort((away, -shared))[:1]


def _regular(
    moments: VideoMoments, places: Int64[np.ndarray, " m"], min_stride: float
) -> Int64[np.ndarray, " r"]:
    """Leave out a last moment that is less than a stride after the others."""
    starts = moments.starts[places]
    irregular = len(starts) > 1 and starts[-1] - starts[-2] < min_stride - _TOUCHING_SECONDS
    return places[: len(places) - irregular]
