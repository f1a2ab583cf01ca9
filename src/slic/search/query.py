"""Queries: a clip, moments of the index, or likes and unlikes.

A query has an embedding for each window of the clip, cut like the moments of the index. So a long
clip is found where all of it fits, not where a part of it does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.neighbours.rows import unit_rows
from slic.search.index import Index
from slic.search.moment_embedder import MomentEmbedder
from slic.search.moments import MomentWindows
from slic.search.streaming import EmbeddingJob, read_moments
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

MAX_QUERY_WINDOWS = 600
UNLIKE_WEIGHT = 0.5
_MOMENTS_PER_BATCH = 8


@dataclass(frozen=True)
class Query:
    """What to search for.

    Attributes:
        vectors: Unit embeddings of its windows, one per stride of the index.
        moments: Moments of the index that it was made from; `search` leaves them out.
    """

    vectors: Float32[np.ndarray, "w d"]
    moments: tuple[int, ...] = ()

    @property
    def direction(self) -> Float32[np.ndarray, " d"]:
        """The mean direction of the windows."""
        return np.asarray(unit_rows(self.vectors.mean(axis=0, keepdims=True))[0])


def query_from_clip(
    index: Index,
    path: str | Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Query:
    """Return the query of a video file, or of a part of it. The file is not added to the index.

    Args:
        index: The index.
        path: A video file.
        start_seconds: Where the part starts; None is the start of the video.
        end_seconds: Where the part ends; None is the end of the video.

    Raises:
        VideoError: The file does not decode.
        SearchError: The part is empty, outside the video, or longer than `MAX_QUERY_WINDOWS`
            windows.
    """
    video = inspect_video(Path(path), Path(path).name)
    return query_from_video(index, video, start_seconds=start_seconds, end_seconds=end_seconds)


def query_from_video(
    index: Index,
    video: Video,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Query:
    """Return the query of a video, or of a part of it; see `query_from_clip`.

    Raises:
        VideoError: The video does not decode.
        SearchError: The part is empty, outside the video, or too long.
    """
    part = _part_of(video, start_seconds, end_seconds)
    stride_seconds = index.settings.stride_seconds
    numbers = _regular_windows(index.windows(video, part=part), stride_seconds - 1 / video.fps)
    if len(numbers) > MAX_QUERY_WINDOWS:
        raise SearchError(
            f"{video.path}: {part[1] - part[0]:.0f} s are too long for a query; "
            f"choose a part of at most {MAX_QUERY_WINDOWS * stride_seconds:.0f} s."
        )
    embed = MomentEmbedder(index.encoder)
    moments = read_moments(
        EmbeddingJob(-1, video, index.cut(video, part=part), numbers), index.clip
    )
    batches = iter(lambda: list(islice(moments, _MOMENTS_PER_BATCH)), [])
    return Query(np.concatenate([embed(batch) for batch in batches]))


def query_from_moments(index: Index, ids: Sequence[int]) -> Query:
    """Return the query for what moments of the index have in common: their mean direction.

    Raises:
        SearchError: No id was given, or one is not in the index.
    """
    if not ids:
        raise SearchError("A query needs at least one moment.")
    mean = index.vectors(list(ids)).mean(axis=0, keepdims=True)
    return Query(unit_rows(mean), tuple(map(int, ids)))


def refine(
    like: Sequence[Query], unlike: Sequence[Query], *, unlike_weight: float = UNLIKE_WEIGHT
) -> Query:
    """Return the query for "like these, unlike those" (Rocchio, 1971).

    It is the mean direction of the likes, minus ``unlike_weight`` times that of the unlikes.

    Args:
        like: At least one query. A single one without unlikes is returned unchanged.
        unlike: Queries to stay away from.
        unlike_weight: Weight of the unlikes.

    Raises:
        SearchError: There is no like, or the unlikes cancel the likes out.
    """
    if not like:
        raise SearchError("A search needs at least one clip or moment that is liked.")
    moments = tuple(moment for query in (*like, *unlike) for moment in query.moments)
    if len(like) == 1 and not unlike:
        return like[0]
    vector = np.mean([query.direction for query in like], axis=0)
    if unlike:
        vector = vector - unlike_weight * np.mean([query.direction for query in unlike], axis=0)
    if np.linalg.norm(vector) < 1e-6:
        raise SearchError("The likes and the unlikes cancel each other out; remove some.")
    return Query(unit_rows(vector.astype(np.float32)[None]), moments)


def _part_of(video: Video, start: float | None, end: float | None) -> tuple[float, float]:
    """Return start and end of a part in presentation time, inside the video."""
    first = max(video.time_of(0), -math.inf if start is None else start)
    last = min(video.end_seconds, math.inf if end is None else end)
    if not first < last or (start is not None and start < 0):
        raise SearchError(
            f"{video.path}: there are no frames from {start or 0:g} s to "
            f"{video.end_seconds if end is None else end:g} s; "
            f"the video has {video.duration_seconds:.2f} s."
        )
    return first, last


def _regular_windows(windows: MomentWindows, min_stride: float) -> Int64[np.ndarray, " w"]:
    """Return the numbers of the windows, without a last one less than a stride after the others."""
    starts = windows.seconds[:, 0]
    irregular = len(starts) > 1 and starts[-1] - starts[-2] < min_stride
    return np.arange(len(starts) - irregular)
