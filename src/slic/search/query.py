"""Queries: a clip, moments of the index, a text, or likes and unlikes.

A query has a vector for each window of the clip, cut like the moments of the index. So a long
clip is found where all of it fits, not where a part of it does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.neighbours.rows import slices_of, unit_rows
from slic.search.index import Index
from slic.search.moment_embedder import MomentEmbedder
from slic.search.moments import MomentWindows
from slic.search.parts import (
    TEXT_PART,
    Weights,
    present_parts,
    query_factors,
    unit_parts,
)
from slic.search.streaming import EmbeddingJob, read_moments
from slic.storage import location
from slic.videos.inspection import inspect_video
from slic.videos.video import Video

MAX_QUERY_WINDOWS = 600
UNLIKE_WEIGHT = 0.5
_MOMENTS_PER_BATCH = 8


@dataclass(frozen=True)
class Query:
    """What to search for.

    Attributes:
        vectors: Vectors of its windows, of unit parts, one per stride of the index. A part that the
            query does not have is zero.
        moments: Moments of the index that it was made from; `search` leaves them out.
        parts: Names and lengths of the parts; by default there is one.
    """

    vectors: Float32[np.ndarray, "w d"]
    moments: tuple[int, ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.parts:
            object.__setattr__(self, "parts", {"embedding": self.vectors.shape[1]})

    @property
    def direction(self) -> Float32[np.ndarray, " d"]:
        """The mean direction of the windows, for each part."""
        mean = self.vectors.mean(axis=0, keepdims=True)
        return np.asarray(unit_parts(mean, self.parts)[0])

    def scaled(self, weights: Weights | None = None) -> Float32[np.ndarray, "w d"]:
        """Return the vectors, scaled so that inner products with moments are similarities.

        Args:
            weights: Weights of the parts. None weights all parts equally that the query has.

        Raises:
            SearchError: A weight is invalid, or no part of the query has a weight.
        """
        present = present_parts(self.vectors, self.parts)
        factors = query_factors(self.parts, weights, present)
        return np.asarray(self.vectors * factors)


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
    place = location(path)
    video = inspect_video(place, place.name)
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
    return Query(np.concatenate([embed(batch) for batch in batches]), parts=index.parts)


def query_from_moments(index: Index, ids: Sequence[int]) -> Query:
    """Return the query for what moments of the index have in common: their mean direction.

    Raises:
        SearchError: No id was given, or one is not in the index.
    """
    if not ids:
        raise SearchError("A query needs at least one moment.")
    mean = index.vectors(list(ids)).mean(axis=0, keepdims=True)
    return Query(unit_parts(mean, index.parts), tuple(map(int, ids)), index.parts)


def query_from_text(index: Index, text: str) -> Query:
    """Return the query of a text, such as ``"a person falls"``. It has the part of texts only.

    Raises:
        SearchError: The text is empty, or the encoder of the index has no text tower.

    Example:
        >>> hits = search(index, query_from_text(index, "a person falls"))
    """
    if not text.strip():
        raise SearchError("The text is empty; describe what to find.")
    return text_query(index.parts, embed_texts(index, [text])[0])


def text_query(parts: Mapping[str, int], embedding: Float32[np.ndarray, " e"]) -> Query:
    """Return the query of the embedding of a text."""
    vectors = np.zeros((1, sum(parts.values())), np.float32)
    vectors[0, slices_of(parts)[TEXT_PART]] = embedding
    return Query(vectors, parts=parts)


def embed_texts(index: Index, texts: Sequence[str]) -> Float32[np.ndarray, "n e"]:
    """Return the unit embeddings of texts in the space of the index's part ``text``.

    Raises:
        SearchError: The encoder of the index has no text tower.
    """
    if not index.has_text:
        raise SearchError(no_text_message(index))
    return unit_rows(index.encoder.encode_text(list(texts)).float().cpu().numpy())


def no_text_message(index: Index) -> str:
    """Return why an index cannot be searched by text, and what to do."""
    return (
        f"{index.path}: no text search, because its encoder has no text tower; index the videos "
        "with one that has, such as X-CLIP, into another folder."
    )


def refine(
    like: Sequence[Query], unlike: Sequence[Query], *, unlike_weight: float = UNLIKE_WEIGHT
) -> Query:
    """Return the query for "like these, unlike those" (Rocchio, 1971).

    It is the mean direction of the likes, minus ``unlike_weight`` times that of the unlikes, for
    each part. A query without a part, such as a text, has no influence on it.

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
    parts = like[0].parts
    vector = _mean_of_present(like, parts)
    if unlike:
        vector = vector - unlike_weight * _mean_of_present(unlike, parts)
    if np.linalg.norm(vector) < 1e-6:
        raise SearchError("The likes and the unlikes cancel each other out; remove some.")
    return Query(unit_parts(vector.astype(np.float32)[None], parts), moments, parts)


def _mean_of_present(
    queries: Sequence[Query], parts: Mapping[str, int]
) -> Float32[np.ndarray, " d"]:
    """Return the mean direction of queries; for each part, of those that have it."""
    directions = np.stack([query.direction for query in queries])
    mean = np.zeros(directions.shape[1], np.float32)
    for part in slices_of(parts).values():
        having = directions[directions[:, part].any(axis=1), part]
        mean[part] = having.mean(axis=0) if len(having) else 0.0
    return mean


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
