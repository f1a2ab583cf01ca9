"""A tiny encoder, and indexes of drawn vectors that need no video."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search import Index, IndexReport, create_index, set_label, update_index
from slic.search.repository import IndexSettings
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.videos.catalog import Catalog
from slic.videos.video import Video

Fill = Callable[..., Index]


@pytest.fixture(scope="session")
def encoder() -> VideoEncoder:
    """Return an encoder with random weights."""
    torch.manual_seed(0)
    config = EncoderConfig(
        arguments={"depth": 10, "width": 0.125},
        head=HeadSpec(hidden=16, embedding=8),
        clip=ClipSpec(frames=4, stride=2, size=32),
    )
    return VideoEncoder(config).eval()


def unit_rows(count: int, *, dimension: int = 8, seed: int = 0) -> np.ndarray:
    """Return random directions."""
    x = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def add_video(index: Index, path: str, vectors: np.ndarray, *, root: str = "/v") -> list[int]:
    """Add a video of 25 frames per second whose moments of 2 s, one per second, have these vectors.

    Returns:
        The ids of its moments.
    """
    video = Video(
        id=path, path=Path(root) / path, frames=25 * (len(vectors) + 1), fps=25.0,
        width=64, height=48, seekable=True, keyframe_gap=12,
    )  # fmt: skip
    state = FileState(size=1, mtime_ns=1, content_id=f"content of {path}")
    with index.database.transaction() as connection:
        video_id = insert_video(connection, video, root=root, state=state)
        insert_moments(
            connection,
            [NewMoment(video_id, i, float(i), i + 2.0, row) for i, row in enumerate(vectors)],
        )
    return list(index.moment_numbers([video_id])[video_id].values())


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


def make_kinds(count: int, *, seed: int) -> np.ndarray:
    """Return ``count`` moments around each of three directions, one kind after the other."""
    x = np.repeat(unit_rows(3, seed=42), count, axis=0) + 0.25 * unit_rows(3 * count, seed=seed)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="session")
def kinds() -> Callable[..., np.ndarray]:
    """Return :func:`make_kinds`."""
    return make_kinds


@pytest.fixture
def labelled(fill: Fill) -> Index:
    """Return an index of three kinds in four videos; some of the first two kinds are labelled."""
    index = fill({f"{i}.mp4": make_kinds(6, seed=i) for i in range(4)})
    for video in range(2):
        set_label(index, [18 * video + i for i in (1, 2, 3)], "wave")
        set_label(index, [18 * video + i for i in (7, 8, 9)], "kick")
    return index


def run_update(index: Index, videos: Path) -> IndexReport:
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    return update_index(index, catalog, workers=0, progress=False)


def read_contents(index: Index) -> dict[str, list[tuple[float, float, bytes]]]:
    """Return times and vectors of every video's moments, by path."""
    with index.database.reading() as connection:
        rows = connection.execute(
            "SELECT v.path, m.start_seconds, m.end_seconds, m.vector FROM moments m"
            " JOIN videos v ON v.id = m.video_id ORDER BY v.path, m.number"
        ).fetchall()
    found: dict[str, list[tuple[float, float, bytes]]] = {}
    for path, *moment in rows:
        found.setdefault(path, []).append(tuple(moment))
    return found


@pytest.fixture(scope="session")
def updated() -> Callable[[Index, Path], IndexReport]:
    """Return :func:`run_update`."""
    return run_update


@pytest.fixture(scope="session")
def contents() -> Callable[[Index], dict[str, list[tuple[float, float, bytes]]]]:
    """Return :func:`read_contents`."""
    return read_contents


@pytest.fixture
def videos(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Return a folder of three videos of different content."""
    folder = tmp_path / "videos"
    make_video(folder / "a.mp4", frames=60, size=(64, 48))
    make_video(folder / "b.mp4", frames=70, size=(64, 48))
    make_video(folder / "sub" / "c.avi", frames=80, size=(64, 48), codec="mpeg4")
    return folder


@pytest.fixture
def index_of_videos(tmp_path: Path, encoder: VideoEncoder, videos: Path) -> Index:
    made = create_index(tmp_path / "index", encoder, window_seconds=1.0)
    run_update(made, videos)
    return made
