"""The motion descriptor is checked against plain loops, and against motion that is known."""

from math import sqrt

import numpy as np
import pytest

from slic.clips.motion import CELLS, motion_descriptor


def slow_descriptor(clips: np.ndarray) -> np.ndarray:
    """Loop over cells and directions, the slow and obvious way."""
    count, frames, size, _, _ = clips.shape
    side = size // CELLS
    means, deviations = [], []
    for row in range(CELLS):
        for column in range(CELLS):
            y, x = row * side, column * side
            cell = clips[:, :, y : y + side, x : x + side].astype(float) - 127.5
            for channel, sign in ((0, 1), (1, 1), (0, -1), (1, -1)):
                values = [
                    np.maximum(sign * cell[c, t, ..., channel], 0).mean()
                    for c in range(count)
                    for t in range(frames)
                ]
                means.append(sqrt(np.mean(values) / 127.5))
                deviations.append(sqrt(np.std(values) / 127.5))
    return np.array(means + deviations)


@pytest.mark.parametrize("size", [32, 37])  # 37: the last pixels fit into no cell
def test_descriptor_matches_plain_loops(size: int) -> None:
    rng = np.random.default_rng(size)
    clips = rng.integers(0, 256, (2, 3, size, size, 3), dtype=np.uint8)
    np.testing.assert_allclose(motion_descriptor(clips), slow_descriptor(clips), atol=1e-5)


def test_motion_to_the_right_in_one_corner_is_found_there_and_nowhere_else() -> None:
    clips = np.full((1, 4, 32, 32, 3), 127, dtype=np.uint8)
    clips[:, :, :4, :4, 0] = 255
    mean = motion_descriptor(clips)[: CELLS * CELLS * 4].reshape(CELLS, CELLS, 4)
    right, down, left, up = mean[0, 0]
    assert right == pytest.approx(1.0)
    assert max(down, left, up) < 0.1
    assert mean[1:].max() < 0.1
    assert mean[0, 1:].max() < 0.1
