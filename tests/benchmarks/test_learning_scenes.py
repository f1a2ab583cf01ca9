"""The drawn scenes: what moves is the camera alone, and a scene is drawn anew for each video."""

import csv
from pathlib import Path

import numpy as np
import pytest

from learning.scenes import LABELS, draw_scene, write_scenes
from slic.errors import CatalogError
from slic.videos.catalog import Catalog


def shift(first: np.ndarray, last: np.ndarray) -> float:
    """Return the mean absolute difference of two frames."""
    return float(np.abs(first.astype(float) - last.astype(float)).mean())


@pytest.mark.slow
def test_only_the_camera_moves() -> None:
    moved = {}
    for camera in ("static", "panning", "parallax"):
        frames = list(draw_scene(2, camera, np.random.default_rng(0)))
        moved[camera] = shift(np.mean(frames[:5], axis=0), np.mean(frames[-5:], axis=0))
    assert moved["static"] < 1 < moved["panning"] < moved["parallax"]


def test_two_videos_of_a_scene_differ() -> None:
    first, second = (next(draw_scene(2, "static", np.random.default_rng(s))) for s in (0, 1))
    assert shift(first, second) > 10


@pytest.mark.slow
def test_a_set_is_completed_and_never_mixed(tmp_path: Path) -> None:
    write_scenes(tmp_path, camera="static", train=2, test=1, seed=0)
    lost = sorted((tmp_path / "train").iterdir())[0]
    content = lost.read_bytes()
    lost.unlink()
    write_scenes(tmp_path, camera="static", train=2, test=1, seed=0)
    assert lost.read_bytes() == content
    assert len(Catalog.from_folder(tmp_path)) == 3
    with (tmp_path / "labels.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == [LABELS[0], LABELS[1], LABELS[0]]
    with pytest.raises(CatalogError, match="holds another set"):
        write_scenes(tmp_path, camera="panning", train=2, test=1, seed=0)
