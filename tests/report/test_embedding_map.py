"""A map is thinned evenly, and its labels can be told apart."""

import numpy as np
import pytest

from slic.report.embedding_map import MAX_MAP_POINTS, embedding_map
from slic.report.map import COLOURS, json_for_page, map_figure
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


def test_forty_labels_differ_in_colour_or_shape() -> None:
    n = 4 * COLOURS
    points = embedding_map(
        np.random.default_rng(0).normal(size=(n, 4)),
        [str(i) for i in range(n)],
        [f"{i:02d}" for i in range(n)],
    )
    legend = map_figure(points).split('class="swatch"')[1:]
    marks = {swatch.split("<path ")[1].split("/>")[0] for swatch in legend}
    assert len(marks) == n


def test_json_cannot_end_its_script() -> None:
    assert "<" not in json_for_page({"name": "</script><!--"})
