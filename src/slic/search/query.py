"""What is looked for: a clip, moments of the index, or likes and unlikes.

A query is a row of embeddings, one for each window of the clip, cut like the moments of the index.
So a long query is found where all of it fits, and not only where some of it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from slic.errors import SearchError
from slic.search.index import Index
from slic.search.indexing import embed_moments
from slic.search.moments import MomentWindows
from slic.search.streaming import Job, read_moments
from slic.videos.inspection import probe
from slic.videos.video import Video

MOST_WINDOWS = 600  # of one query
UNLIKE_WEIGHT = 0.5


@dataclass(frozen=True)
class Query:
    """What to look for.

    Attributes:
        vectors: Unit embeddings of its windows, one a stride of the index.
        moments: The moments of the index that it is made of; they are not among the results.
    """

    vectors: Float32[np.ndarray, "w d"]
    moments: tuple[int, ...] = ()

    @property
    def direction(self) -> Float32[np.ndarray, " d"]:
        """The mean direction of the windows."""
        return _direction(self.vectors.mean(axis=0))


def query_from_clip(
    index: Index,
    path: str | Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Query:
    """Return the query of a video file, or of a part of it; the file is not added to the index.

    Raises:
        VideoError: The file cannot be decoded.
        SearchError: The part is empty, outside the video, or longer than `MOST_WINDOWS` windows.
    """
    video = probe(Path(path), Path(path).name)
    return query_from_video(index, video, start_seconds=start_seconds, end_seconds=end_seconds)


def query_from_video(
    index: Index,
    video: Video,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Query:
    """Return the query of a part of a video that was probed already."""
    first, last = _frames(video, start_seconds, end_seconds)
    shape, settings = index.clip_shape, index.settings
    cut = index.windows(last - first, video.fps)
    numbers = _on_the_grid(cut, round(settings.stride_seconds * video.fps))
    if len(numbers) > MOST_WINDOWS:
        raise SearchError(
            f"{video.path}: {(last - first) / video.fps:.0f} s are too long for a query; "
            f"choose at most {MOST_WINDOWS * settings.stride_seconds:.0f} s with --from and --to."
        )
    job = Job(-1, video, MomentWindows(cut.start + first, cut.frames), numbers)
    clips = [torch.from_numpy(clips) for _, clips in read_moments(job, shape)]
    parts = [embed_moments(index.encoder, clips[i : i + 8]) for i in range(0, len(clips), 8)]
    return Query(np.concatenate(parts))


def query_from_moments(index: Index, ids: Sequence[int]) -> Query:
    """Return the query for what moments of the index have in common: their mean direction.

    Raises:
        SearchError: No id, or one that is not in the index.
    """
    if not ids:
        raise SearchError("No moment was given to look for.")
    vectors = index.vectors(list(ids))
    return Query(_direction(vectors.mean(axis=0))[None], tuple(int(i) for i in ids))


def refine(
    like: Sequence[Query], unlike: Sequence[Query], *, unlike_weight: float = UNLIKE_WEIGHT
) -> Query:
    """Return the query for "like these, unlike those" (Rocchio, 1971).

    The mean direction of the likes, less ``unlike_weight`` times that of the unlikes.

    Raises:
        SearchError: There is no like, or the unlikes cancel the likes out.
    """
    if not like:
        raise SearchError("Nothing is liked: give at least one clip or moment to look for.")
    moments = tuple(moment for query in (*like, *unlike) for moment in query.moments)
    if len(like) == 1 and not unlike:
        return like[0]
    sought = np.mean([query.direction for query in like], axis=0)
    if unlike:
        sought = sought - unlike_weight * np.mean([query.direction for query in unlike], axis=0)
    if np.linalg.norm(sought) < 1e-6:
        raise SearchError("The likes and the unlikes cancel each other out; leave some out.")
    return Query(_direction(sought.astype(np.float32))[None], moments)


def _frames(video: Video, start: float | None, end: float | None) -> tuple[int, int]:
    """Return the first frame of the part and the one after its last."""
    first = 0 if start is None else round(start * video.fps)
    last = video.frames if end is None else min(video.frames, round(end * video.fps))
    if not 0 <= first < last:
        raise SearchError(
            f"{video.path}: nothing lies from {start or 0:g} to "
            f"{video.duration_seconds if end is None else end:g} s; "
            f"the video has {video.duration_seconds:.2f} s."
        )
    return first, last


def _on_the_grid(cut: MomentWindows, stride_frames: int) -> Int64[np.ndarray, " w"]:
    """Leave out a last window that does not stand a whole stride after the one before it."""
    count = len(cut.start)
    ragged = count > 1 and cut.start[-1] - cut.start[-2] < stride_frames - 1
    return np.arange(count - ragged)


def _direction(vector: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, " d"]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)
