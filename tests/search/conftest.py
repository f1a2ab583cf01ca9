"""A tiny encoder, and an index of three small videos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.models.encoder import VideoEncoder
from slic.search import Index, IndexReport, create_index, set_label, update_index
from slic.videos.catalog import Catalog
from tests.conftest import tiny_encoder

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def encoder() -> VideoEncoder:
    """Return an encoder with random weights."""
    return tiny_encoder()


@pytest.fixture(scope="session")
def kinds(rows: Rows) -> Rows:
    """Return a function that draws moments around each of three directions, kind by kind."""

    def draw(count: int, *, seed: int) -> np.ndarray:
        x = np.repeat(rows(3, seed=42), count, axis=0) + 0.25 * rows(3 * count, seed=seed)
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)

    return draw


@pytest.fixture
def labelled(fill: Fill, kinds: Rows) -> Index:
    """Return an index of three kinds in four videos; some of the first two kinds are labelled."""
    index = fill({f"{i}.mp4": kinds(6, seed=i) for i in range(4)})
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


@pytest.fixture
def colour_index(tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path) -> Index:
    """Return an index of the parts motion and text."""
    made = create_index(tmp_path / "colours", colour_encoder, window_seconds=1.0)
    run_update(made, colour_videos)
    return made
