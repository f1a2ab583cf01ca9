"""A map is thinned evenly, and its labels can be told apart."""

import numpy as np
import pytest

from slic.report.embedding_map import MAX_MAP_POINTS, embedding_map
from slic.videos.thumbnails import Filmstrip


def test_large_collections_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(x: np.ndarray, **_: int) -> np.ndarray:
        return np.zeros((len(x), 2), dtype=np.float32)

    monkeypatch.setattr("slic.report.embedding_map.project_to_plane", place)
    n = 2 * MAX_MAP_POINTS
    points = embedding_map(
        np.zeros((n, 2)),
        [str(i) for i in range(n)],
        ["walk"] * n,
        strip_of=lambda _: Filmstrip("data:,", 1, 1, 1),
    )
    kept = np.array([int(name) for name in points.names])
    assert len(kept) == MAX_MAP_POINTS
    assert set(np.diff(kept).tolist()) <= {2, 3}
    assert points.strips == ()  # too many points for thumbnails
