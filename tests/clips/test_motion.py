"""The motion descriptor is checked against plain loops, and against motion that is known."""

from cmath import exp, pi
from math import sqrt

import numpy as np
import pytest

from slic.clips.motion import CELLS, motion_descriptor

WAYS = ((0, 1), (1, 1), (0, -1), (1, -1))  # channel and sign: right, down, left, up


def slow_amplitude(values: list[float], frequency: int) -> float:
    """One number of the discrete Fourier transform, by its definition."""
    t = len(values)
    return abs(sum(v * exp(-2j * pi * frequency * n / t) for n, v in enumerate(values)))


def slow_descriptor(clips: np.ndarray) -> np.ndarray:
    """Loop over frequencies, cells and directions, the slow and obvious way."""
    frames, size = clips.shape[1:3]
    side = size // CELLS

    def number(frequency: int, row: int, column: int, channel: int, sign: int) -> float:
        y, x = row * side, column * side
        cell = clips[:, :, y : y + side, x : x + side, channel].astype(float) - 127.5
        strength = np.maximum(sign * cell, 0).mean(axis=(2, 3))
        return sqrt(np.mean([slow_amplitude(list(s), frequency) for s in strength]))

    numbers = []
    for frequency in range(frames // 2 + 1):
        for row in range(CELLS):
            for column in range(CELLS):
                for channel, sign in WAYS:
                    mirrored_sign = -sign if channel == 0 else sign
                    there = (frequency, row, CELLS - 1 - column, channel, mirrored_sign)
                    here = (frequency, row, column, channel, sign)
                    numbers.append(max(number(*here), number(*there)))
    described: np.ndarray = np.array(numbers) / np.linalg.norm(numbers)
    return described


def moving_square(*, top: int, left: int, u: int, v: int) -> np.ndarray:
    """One clip whose square at this place moves to and fro along (u, v)."""
    clips = np.full((1, 8, 32, 32, 3), 127.5)
    for t in range(8):
        strength = np.sin(2 * np.pi * t / 8)
        clips[0, t, top : top + 4, left : left + 4, :2] += strength * np.array([u, v])
    return np.round(clips).astype(np.uint8)


@pytest.mark.parametrize("size", [16, 19])  # 19: the last pixels fit into no cell
def test_descriptor_matches_plain_loops(size: int) -> None:
    rng = np.random.default_rng(size)
    clips = rng.integers(0, 256, (2, 5, size, size, 3), dtype=np.uint8)
    np.testing.assert_allclose(motion_descriptor(clips), slow_descriptor(clips), atol=1e-5)


def test_motion_in_one_cell_is_found_there_and_in_its_mirror_image_and_nowhere_else() -> None:
    numbers = motion_descriptor(moving_square(top=8, left=4, u=0, v=100))
    cells = numbers.reshape(5, CELLS, CELLS, 4)  # 8 frames have 5 frequencies
    down, up = cells[1, 2, :, 1], cells[1, 2, :, 3]
    assert set(np.flatnonzero(down > 0.2)) == set(np.flatnonzero(up > 0.2)) == {1, 6}
    assert np.delete(cells, 2, axis=1).max() < 0.1


def test_neither_side_nor_start_nor_strength_of_a_movement_counts() -> None:
    clips = moving_square(top=8, left=4, u=60, v=20)
    mirrored = clips[:, :, :, ::-1].copy()
    mirrored[..., 0] = 255 - mirrored[..., 0]
    numbers = motion_descriptor(clips)
    np.testing.assert_allclose(numbers, motion_descriptor(mirrored), atol=0.02)
    np.testing.assert_allclose(numbers, motion_descriptor(np.roll(clips, 3, axis=1)), atol=1e-6)
    stronger = moving_square(top=8, left=4, u=120, v=40)
    np.testing.assert_allclose(numbers, motion_descriptor(stronger), atol=0.03)
    other_way = moving_square(top=8, left=4, u=5, v=60)
    assert np.abs(numbers - motion_descriptor(other_way)).max() > 0.1


def test_a_video_in_which_nothing_moves_has_a_descriptor() -> None:
    numbers = motion_descriptor(np.full((1, 4, 32, 32, 3), 128, dtype=np.uint8))
    assert np.isfinite(numbers).all()
