"""How much appearance alone gives away: the nearest neighbour of a small grey mean frame.

It stands beside every retrieval score: what it reaches was not learnt from motion.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from slic.embeddings.cache import cached_rows
from slic.videos.frames import read_frames as read_frames_of_file
from slic.videos.thumbnails import FrameReader
from slic.videos.video import Video

WIDTH, HEIGHT = 32, 24
FRAMES = 32
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of R, G, B: ITU-R BT.601


def mean_frame_vectors(
    catalog: Sequence[Video],
    read_frames: FrameReader = read_frames_of_file,
    *,
    workers: int | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> Float32[np.ndarray, "n 768"]:
    """Return the 32 x 24 grey mean frame of every video as one vector, in the catalog's order.

    The mean is over at most 32 evenly spaced frames. Every vector has mean 0 and variance 1 (a
    mean frame of one grey stays 0), so the cosine does not see brightness or contrast. ``cache`` is
    a folder where the vectors are kept, as in `slic.embeddings.embed`.
    """

    def vector(video: Video) -> Float32[np.ndarray, "1 768"]:
        indices = np.linspace(0, video.frames - 1, min(FRAMES, video.frames)).round().astype(int)
        return standardised(read_frames(video, indices, size=(WIDTH, HEIGHT)))[None]

    with ThreadPoolExecutor(workers) as pool:  # decoding leaves Python's lock
        rows = cached_rows(
            catalog,
            lambda videos: enumerate(pool.map(vector, videos)),
            cache=cache,
            made_by={"mean frame": [WIDTH, HEIGHT, FRAMES]},
            bar="mean frames" if progress else None,
        )
    return rows[:, 0]


def standardised(frames: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, " p"]:
    """Return the grey mean of the frames, flattened, minus its mean, over its deviation."""
    grey = (frames.astype(np.float32).mean(axis=0) @ LUMA).ravel()
    grey -= grey.mean()
    return np.asarray(grey / max(float(grey.std()), 1e-6))
