"""A description of how a video moves that needs no learning: where, in which direction, how often.

It groups the videos of the first round. A random encoder, averaged over the picture, forgets where
things move; this does not, and its groups agree about twice as well with the actions
(docs/results.md).
"""

import numpy as np
from jaxtyping import Float32, UInt8

CELLS = 8  # rows and columns of the grid
MIRRORED = [2, 1, 0, 3]  # right, down, left, up: a mirror swaps right and left


def motion_descriptor(clips: UInt8[np.ndarray, "clips t s s 3"]) -> Float32[np.ndarray, " d"]:
    """Describe flow looks (`flow_image`) of one video by 8 x 8 cells x 4 directions x frequencies.

    The numbers are the amplitudes of the motion to the right, down, left and up in a cell, by
    frequency over a clip and averaged over the clips, so that it does not count when a movement
    begins; their square root, which tames the large ones; the larger one of the video and its
    mirror image, so that it does not count either which way somebody faces; and their length is 1,
    so that neither does the speed.
    """
    clip_count, frames, size, _, _ = clips.shape
    side = size // CELLS
    uv = clips[:, :, : side * CELLS, : side * CELLS, :2].astype(np.float32) - 127.5
    ways = np.concatenate([np.maximum(uv, 0.0), np.maximum(-uv, 0.0)], axis=-1)
    cells = ways.reshape(clip_count, frames, CELLS, side, CELLS, side, 4).mean(axis=(3, 5))
    amplitudes = np.sqrt(np.abs(np.fft.rfft(cells, axis=1)).mean(axis=0))
    mirror_image = amplitudes[:, :, ::-1][..., MIRRORED]
    described: np.ndarray = np.maximum(amplitudes, mirror_image).ravel().astype(np.float32)
    described /= max(float(np.linalg.norm(described)), 1e-6)
    return described
