"""A tiny encoder, and indexes of drawn vectors that need no video."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.search import Index
from slic.search.repository import IndexSettings, next_generation

Fill = Callable[..., Index]


@pytest.fixture(scope="session")
def encoder() -> VideoEncoder:
    """Return an encoder with random weights."""
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="r3d10", width=0.125, hidden=16, embedding=8, frames=4, stride=2, size=32
    )
    return VideoEncoder(config).eval()


def unit_rows(count: int, *, dimension: int = 8, seed: int = 0) -> np.ndarray:
    """Return random directions."""
    x = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def add_video(index: Index, path: str, vectors: np.ndarray, *, root: str = "/v") -> list[int]:
    """Add a video of 25 frames a second whose moments of 2 s, one a second, have these vectors."""
    with index.database.transaction() as connection:
        number = next_generation(connection)
        video = connection.execute(
            "INSERT INTO videos (root, path, size, mtime_ns, content_id, frames, fps, width,"
            " height, seekable, keyframe_gap) VALUES (?, ?, 1, 1, ?, ?, 25, 64, 48, 1, 12)",
            (root, path, f"content of {path}", 25 * (len(vectors) + 1)),
        ).lastrowid
        return [
            connection.execute(
                "INSERT INTO moments (video_id, number, start_seconds, end_seconds, generation,"
                " vector) VALUES (?, ?, ?, ?, ?, ?)",
                (video, i, i, i + 2, number, vector.astype("<f4").tobytes()),
            ).lastrowid
            or 0
            for i, vector in enumerate(vectors)
        ]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Return a function that makes an index of videos, given as path to vectors."""

    def make(videos: Mapping[str, np.ndarray], *, name: str = "index") -> Index:
        dimension = next(iter(videos.values())).shape[1]
        settings = IndexSettings(
            encoder="0" * 16, dimension=dimension, window_seconds=2.0, stride_seconds=1.0
        )
        index = Index.create(tmp_path / name, settings)
        for path, vectors in videos.items():
            add_video(index, path, vectors)
        return index

    return make


@pytest.fixture(scope="session")
def rows() -> Callable[..., np.ndarray]:
    """Return :func:`unit_rows`."""
    return unit_rows


@pytest.fixture(scope="session")
def add() -> Callable[..., list[int]]:
    """Return :func:`add_video`."""
    return add_video
