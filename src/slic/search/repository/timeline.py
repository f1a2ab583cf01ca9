"""Moments and labels of one video, in the order of time."""

import sqlite3
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from slic.search.repository.labels import LabelValue, Segment, label_value


class VideoMoments(NamedTuple):
    """The moments of a video, ascending by start.

    Attributes:
        ids: Their ids.
        starts: Starts in seconds.
        ends: Ends in seconds.
    """

    ids: Int64[np.ndarray, " n"]
    starts: Float64[np.ndarray, " n"]
    ends: Float64[np.ndarray, " n"]


def select_moments_of_video(connection: sqlite3.Connection, video_id: int) -> VideoMoments:
    """Return the moments of a video; none if there is no such video."""
    rows = connection.execute(
        "SELECT id, start_seconds, end_seconds FROM moments WHERE video_id = ? ORDER BY number",
        (video_id,),
    ).fetchall()
    ids, starts, ends = zip(*rows, strict=True) if rows else ((), (), ())
    return VideoMoments(np.array(ids, np.int64), np.array(starts), np.array(ends))


def select_labels_of_content(
    connection: sqlite3.Connection, content_id: str
) -> list[tuple[Segment, LabelValue]]:
    """Return the labelled segments of a content, ascending by start."""
    rows = connection.execute(
        "SELECT content_id, start_seconds, end_seconds, label, confidence, source FROM labels"
        " WHERE content_id = ? ORDER BY start_seconds, end_seconds",
        (content_id,),
    )
    return [(Segment(*row[:3]), label_value(*row[3:])) for row in rows]
