"""The mean-frame baseline: retrieval by appearance alone, without an encoder.

It is printed beside every retrieval score. What it reaches needs neither motion nor learning.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from slic.embeddings.cache import cached_features
from slic.evaluation.base import LabelledSplit
from slic.evaluation.retrieval import RetrievalScores, evaluate
from slic.videos.frames import read_frames as read_frames_of_file
from slic.videos.thumbnails import FrameReader
from slic.videos.video import Video

MEAN_FRAME_SIZE = (32, 24)  # width, height
MAX_FRAMES = 32
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of R, G, B: ITU-R BT.601


def score_mean_frames(
    split: LabelledSplit,
    *,
    average_precision: bool = True,
    cache: Path | None = None,
    progress: bool = True,
) -> RetrievalScores:
    """Score retrieval by the cosine of the 32 x 24 grey mean frames; see `mean_frame_vectors`."""
    vectors = partial(mean_frame_vectors, cache=cache, progress=progress)
    queries, gallery = vectors(split.test), vectors(split.train)
    return evaluate(
        queries,
        split.test_labels,
        gallery,
        split.train_labels,
        average_precision=average_precision,
        protocol="mean frame",
    )


def mean_frame_vectors(
    catalog: Sequence[Video],
    read_frames: FrameReader = read_frames_of_file,
    *,
    workers: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> Float32[np.ndarray, "n 768"]:
    """Return the 32 x 24 grey mean frame of every video as one vector.

    Every vector has mean 0 and variance 1, so the cosine does not depend on brightness or contrast.
    A mean frame of a single grey value stays 0.

    Args:
        catalog: The videos.
        read_frames: Reads the frames; at most 32 evenly spaced ones are averaged.
        workers: Number of threads; None is the default of `ThreadPoolExecutor`.
        cache: Folder in which the vectors are kept, as in `slic.embeddings.embed`.
        progress: Show a progress bar on stderr.

    Returns:
        One row per video, in the order of the catalog.
    """

    def vector(video: Video) -> Float32[np.ndarray, "1 768"]:
        count = min(MAX_FRAMES, video.frames)
        indices = np.linspace(0, video.frames - 1, count).round().astype(int)
        return standardised_mean_frame(read_frames(video, indices, size=MEAN_FRAME_SIZE))[None]

    with ThreadPoolExecutor(workers) as pool:  # decoding releases the global interpreter lock
        rows = cached_features(
            catalog,
            lambda videos: enumerate(pool.map(vector, videos)),
            cache=cache,
            settings={"mean frame": [*MEAN_FRAME_SIZE, MAX_FRAMES]},
            label="mean frames" if progress else None,
        )
    return rows[:, 0]


def standardised_mean_frame(frames: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, " p"]:
    """Return the grey mean of the frames as a vector of mean 0 and variance 1."""
    grey = (frames.astype(np.float32).mean(axis=0) @ LUMA).ravel()
    grey -= grey.mean()
    return np.asarray(grey / max(float(grey.std()), 1e-6))
