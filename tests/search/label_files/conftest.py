"""An index of odd videos with 1,000 odd labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import Index
from slic.search.labels import write_labels
from slic.search.repository import IndexSettings
from slic.search.repository.labels import LabelValue, Segment
from slic.search.repository.videos import FileState, insert_video
from slic.videos.inspection import inspect_video

COUNT = 1000
NAMES = (
    "walk", "a, b", 'say "hi"', "it's", "'quoted'", "=1+1", "+plus", "-minus", "@at", "'=guarded",
    "''", "up/down", "back\\slash", "naïve", "走る", "עמידה על הידיים", "🤸‍♀️ cartwheel",
    "<b>&amp;</b>", "a;b", "x" * 64, "1", "1.5", "NaN", "null", "true", "50%", "#hash", "{json}",
    "[0]", "CON",
)  # fmt: skip
VIDEOS = (
    ("videos", "a, b.mp4"), ("videos", "sub folder/naïve 走る.mp4"), ("videos", "=sum.mp4"),
    ("videos", "-dash's \"quote\".mp4"), ("videos", "same.mp4"), ("other", "same.mp4"),
    ("videos", "rate.mp4"), ("videos", "late.mp4"), ("videos", "semi;colon & <tag>.mkv"),
)  # fmt: skip


@pytest.fixture(scope="session")
def odd_videos(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> list[tuple[Path, str]]:
    """Return roots and paths of videos with odd names, rates and starts."""
    folder = tmp_path_factory.mktemp("odd")
    rng = np.random.default_rng(0)
    for number, (root, path) in enumerate(VIDEOS):
        times = np.cumsum(rng.integers(11, 90, 120)) if path == "rate.mp4" else None
        if path == "late.mp4":
            times = 740 + 40 * np.arange(120)
        fps, frames = (30, 100 + number) if number % 2 else (25, 100 + number)
        make_video(
            folder / root / path,
            frames=frames if times is None else len(times),
            size=(64, 48),
            fps=fps,
            times=None if times is None else times.tolist(),
        )
    return [(folder / root, path) for root, path in VIDEOS]


@pytest.fixture(scope="session")
def make_odd_index(odd_videos: list[tuple[Path, str]]) -> Callable[[Path], Index]:
    """Return a function that makes an index of the odd videos, without moments or labels."""

    def make(folder: Path) -> Index:
        settings = IndexSettings(
            encoder="0" * 16, vectors={"embedding": 8}, window_seconds=2.0, stride_seconds=1.0
        )
        index = Index.create(folder, settings)
        for root, path in odd_videos:
            video = inspect_video(root / path, path)
            state = FileState(size=1, mtime_ns=1, content_id=f"content of {root.name}/{path}")
            with index.database.transaction() as connection:
                insert_video(connection, video, root=str(root), state=state)
        return index

    return make


@pytest.fixture(scope="session")
def odd_index(
    tmp_path_factory: pytest.TempPathFactory, make_odd_index: Callable[[Path], Index]
) -> Index:
    """Return an index of the odd videos with 1,000 labels."""
    index = make_odd_index(tmp_path_factory.mktemp("labelled") / "index")
    write_odd_labels(index, COUNT, seed=0)
    return index


def write_odd_labels(index: Index, count: int, *, seed: int) -> None:
    """Label ranges of at least three frames whose ends lie anywhere between frames."""
    rng = np.random.default_rng(seed)
    videos = index.videos()
    labels: list[tuple[Segment, LabelValue]] = []
    taken: set[tuple[object, ...]] = set()
    while len(labels) < count:
        found = videos[rng.integers(len(videos))]
        edges = found.video.edge_seconds
        first, last = sorted(rng.integers(0, found.video.frames + 1, 2).tolist())
        if last - first < 3:
            continue
        # Less than half a frame from an edge, so that every range has its own frames.
        shifts = rng.uniform(-0.4, 0.4, 2) * np.diff(edges).min()
        start, end = np.clip(edges[[first, last]] + shifts, edges[0], edges[-1]).tolist()
        spread = bool(rng.integers(2))
        confidence = round(float(rng.uniform(0.5, 1)), 6) if spread else 1.0
        value = LabelValue(
            NAMES[rng.integers(len(NAMES))], confidence, "spread" if spread else "given"
        )
        segment = Segment(found.content_id, start, end)
        # Formats that count frames need different ones, also at the mean rate.
        steps = (round(start * found.video.fps), round(end * found.video.fps))
        keys = {(found.content_id, "frames", first, last), (found.content_id, "rate", *steps)}
        if not keys & taken:
            labels.append((segment, value))
            taken |= keys
    write_labels(index, labels)
