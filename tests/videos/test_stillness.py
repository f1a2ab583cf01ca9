"""Stillness: what moves and what does not, against plain loops and made pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames
from slic.videos.stillness import STILL_BELOW, find_still, movement, pair_frames
from slic.videos.video import Video


def movement_by_loop(pairs: np.ndarray) -> float:
    """Return the movement of cells, the slow and obvious way."""
    count, _, rows, columns = pairs.shape
    level = [[frame - np.median(frame) for frame in pair] for pair in pairs]
    changes, deviations = [], []
    for r in range(rows):
        for c in range(columns):
            changes.append(
                np.mean([abs(level[k][0][r, c] - level[k][1][r, c]) for k in range(count)])
            )
            deviations.append(np.std([level[k][0][r, c] for k in range(count)]))
    return float(max(deviations) / (np.median(changes) + 0.5))


@given(seed=st.integers(0, 10_000), count=st.integers(2, 6))
def test_movement_is_the_largest_change_over_the_noise(seed: int, count: int) -> None:
    pairs = np.random.default_rng(seed).uniform(0, 255, (count, 2, 3, 4)).astype(np.float32)
    assert movement(pairs) == pytest.approx(movement_by_loop(pairs.astype(float)), rel=1e-3)


@given(frames=st.integers(2, 300), fps=st.sampled_from([5.0, 12.5, 25.0, 60.0]))
def test_two_pairs_are_compared_each_second_and_four_at_least(frames: int, fps: float) -> None:
    video = Video(id="a", path=Path("a"), frames=frames, fps=fps, width=64, height=48)
    pairs = pair_frames(video)
    assert np.array_equal(pairs[:, 1], pairs[:, 0] + 1)
    assert 0 <= pairs.min() <= pairs.max() < frames
    count = 4
    while count < 2 * frames / fps - 1e-6:
        count += 1
    wanted = {min(int(k / count * frames + 1e-6 * fps), frames - 2) for k in range(count)}
    assert pairs[:, 0].tolist() == sorted(wanted)


def noisy_scene(
    rng: np.random.Generator, frames: int, *, moves: bool, noise: float, flicker: float = 0.0
) -> np.ndarray:
    """Return pictures of a dark scene; a block may move, and the light may change."""
    scene = np.kron(rng.integers(20, 90, (12, 16)), np.ones((10, 10))).astype(float)
    pictures = np.empty((frames, 120, 160, 3), np.uint8)
    for k in range(frames):
        picture = scene.copy()
        if moves:
            left = 20 + k % 100
            picture[60:90, left : left + 12] = 120
        picture = picture + flicker * np.sin(k / 3) + rng.normal(0, noise, scene.shape)
        pictures[k] = picture.clip(0, 255)[..., None]
    return pictures


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_noise_and_light_are_no_movement(codec: str, tmp_path: Path, ffmpeg: object) -> None:
    rng = np.random.default_rng(0)
    scenes = {
        "still": noisy_scene(rng, 50, moves=False, noise=2),
        "noise": noisy_scene(rng, 50, moves=False, noise=8),
        "flicker": noisy_scene(rng, 50, moves=False, noise=2, flicker=6),
        "moving": noisy_scene(rng, 50, moves=True, noise=2),
        "moving in noise": noisy_scene(rng, 50, moves=True, noise=8),
    }
    for name, pictures in scenes.items():
        ffmpeg.encode(tmp_path / f"{name}.mp4", pictures, ["-c:v", codec])  # type: ignore[attr-defined]
    catalog = Catalog.from_folder(tmp_path, progress=False)
    assert find_still(catalog, progress=False) == {"still.mp4", "noise.mp4", "flicker.mp4"}


def test_segments_are_looked_at_alone_also_where_they_overlap(
    tmp_path: Path, ffmpeg: object
) -> None:
    rng = np.random.default_rng(0)
    pictures = np.concatenate(
        [noisy_scene(rng, 50, moves=moves, noise=2) for moves in (False, True, False, False)]
    )
    pictures[:50], pictures[100:] = pictures[:1], pictures[100:101]  # one still scene each
    pictures = pictures.astype(float) + rng.normal(0, 2, pictures.shape[:3])[..., None]
    path = tmp_path / "a.mp4"
    ffmpeg.encode(path, pictures.clip(0, 255).astype(np.uint8), ["-g", "17"])  # type: ignore[attr-defined]
    segments = Catalog.from_folder(tmp_path, progress=False).segments(1.0, stride=0.5)
    still = find_still(segments, workers=1, progress=False)
    for segment in segments:
        cells = [
            [read_frames(segment, [f], size=(16, 12))[0].mean(axis=2) for f in pair]
            for pair in pair_frames(segment).tolist()
        ]
        assert (segment.id in still) == (movement_by_loop(np.array(cells)) < STILL_BELOW)
    assert {"a.mp4#t=0,1", "a.mp4#t=0.5,1.5", "a.mp4#t=5,6"} <= still
    assert not still & {"a.mp4#t=1.5,2.5", "a.mp4#t=2,3", "a.mp4#t=3.5,4.5"}


def test_two_frames_tell_nothing(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    make_video(tmp_path / "a.mp4", frames=2)
    catalog = Catalog.from_folder(tmp_path, progress=False)
    assert find_still(catalog, progress=False) == frozenset()


def test_a_video_that_does_not_decode_counts_as_moving(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    path = make_video(tmp_path / "a.mp4", frames=25)
    catalog = Catalog.from_folder(tmp_path, progress=False)
    path.unlink()
    assert find_still(catalog, progress=False) == frozenset()
