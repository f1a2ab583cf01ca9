"""A description of how a video moves that needs no learning: where, and in which direction.

It groups the videos of the first round. A random encoder, averaged over the picture, forgets where
things move; this does not, and its groups agree about twice as well with the actions
(docs/results.md).
"""

import numpy as np
from jaxtyping import Float32, UInt8

CELLS = 8  # rows and columns of the grid


def motion_descriptor(clips: UInt8[np.ndarray, "clips t s s 3"]) -> Float32[np.ndarray, " d"]:
    """Describe flow looks (`flow_image`) of one video by 8 x 8 cells x 4 directions x 2 numbers.

    Each cell has the mean and the deviation, over all frames of all clips, of the motion to the
    right, left, down and up in it; the square root tames the large ones.
    """
    clip_count, frames, size, _, _ = clips.shape
    side = size // CELLS
    uv = clips[:, :, : side * CELLS, : side * CELLS, :2].astype(np.float32) - 127.5
    ways = np.concatenate([np.maximum(uv, 0.0), np.maximum(-uv, 0.0)], axis=-1)
    cells = ways.reshape(clip_count * frames, CELLS, side, CELLS, side, 4).mean(axis=(2, 4))
    both = np.concatenate([cells.mean(axis=0), cells.std(axis=0)])
    return np.sqrt(both / 127.5).ravel().astype(np.float32)
