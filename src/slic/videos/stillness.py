"""Find the videos and segments in which nothing moves, from a few small frames of each.

Packet sizes would cost nothing, but do not tell stillness: noise and rate control decide them.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Int
from tqdm import tqdm

from slic.errors import VideoError
from slic.machine import usable_cores
from slic.videos.frames import stream_frames
from slic.videos.video import Video

CELLS: Final = (16, 12)  # columns and rows that a frame is averaged to
PAIRS_EACH_SECOND: Final = 2
MIN_PAIRS: Final = 4  # of a short video, if it has the frames
STILL_BELOW: Final = 4.5
"""Movement of a still video, see `movement`; how it was chosen: benchmarks/stillness.md."""
_NOISE_FLOOR: Final = 0.5  # grey levels; half a step of the cells
_VIDEOS_PER_READING: Final = 16  # neighbours in a file are decoded in one pass


def find_still(
    videos: Sequence[Video], *, workers: int | None = None, progress: bool = True
) -> frozenset[str]:
    """Return the ids of the videos in which nothing moves, see `movement`.

    A video that does not decode counts as moving; reading it later tells what is wrong.

    Args:
        videos: Videos or segments.
        workers: Number of files or parts of files decoded at a time; None for one on each core.
        progress: Whether to show a progress bar on stderr.
    """
    parts = list(_neighbours(videos))
    with (
        ThreadPoolExecutor(workers or usable_cores()) as pool,
        tqdm(
            total=len(videos), desc="looking for movement", unit="video", disable=not progress
        ) as bar,
    ):
        still: set[str] = set()
        try:
            for part, found in zip(parts, pool.map(_movements, parts), strict=True):
                still |= {video.id for video, m in zip(part, found, strict=True) if m < STILL_BELOW}
                bar.update(len(part))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return frozenset(still)


def movement(pairs: Float32[np.ndarray, "n 2 h w"]) -> float:
    """Return how much the picture changes over a video, as a multiple of its noise.

    The change is the standard deviation over time of a cell, of the cell where it is largest. The
    noise is the median over the cells of the mean change from a frame to the next one. Changes of
    the brightness of the whole picture count as neither. A single pair tells nothing: infinite.

    Args:
        pairs: Cells of pairs of successive frames, in grey levels from 0 to 255.
    """
    if len(pairs) < 2:
        return np.inf
    level = pairs - np.median(pairs, axis=(2, 3), keepdims=True)
    noise = np.median(np.abs(level[:, 0] - level[:, 1]).mean(axis=0))
    return float(level[:, 0].std(axis=0).max() / (noise + _NOISE_FLOOR))


def pair_frames(video: Video) -> Int[np.ndarray, "n 2"]:
    """Return the pairs of successive frames of a video that are compared, two or more a second."""
    times = video.times
    count = max(MIN_PAIRS, math.ceil(video.duration_seconds * PAIRS_EACH_SECOND - 1e-6))
    seconds = times[0] + np.arange(count) / count * video.duration_seconds
    first = np.searchsorted(times, seconds + 1e-6, side="right") - 1
    first = np.unique(np.minimum(first, max(0, video.frames - 2)))
    return np.stack([first, np.minimum(first + 1, video.frames - 1)], axis=1).astype(np.int64)


def _neighbours(videos: Sequence[Video]) -> Iterator[list[Video]]:
    """Give the videos in parts, each of one file."""
    for _, group in groupby(videos, key=lambda video: video.path):
        of_file = list(group)
        for start in range(0, len(of_file), _VIDEOS_PER_READING):
            yield of_file[start : start + _VIDEOS_PER_READING]


def _movements(videos: Sequence[Video]) -> list[float]:
    """Return the movement of videos of one file; infinite if they do not decode."""
    pairs = [np.asarray(video.in_whole(pair_frames(video).ravel().tolist())) for video in videos]
    places = np.unique(np.concatenate(pairs))
    try:
        frames = stream_frames(videos[0].whole, places.tolist(), size=CELLS)
        cells = np.stack([frame.mean(axis=2, dtype=np.float32) for frame in frames])
    except VideoError:
        return [np.inf] * len(videos)
    return [movement(_pairs_of(cells, np.searchsorted(places, own))) for own in pairs]


def _pairs_of(
    cells: Float[np.ndarray, "m h w"], rows: Int[np.ndarray, " n"]
) -> Float32[np.ndarray, "k 2 h w"]:
    return np.asarray(cells[rows].reshape(-1, 2, *cells.shape[1:]), np.float32)
