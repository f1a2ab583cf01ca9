"""The map keeps neighbours together, is the same every time, and survives a collapse."""

import numpy as np
import pytest

from slic.report.embedding_map import MOST_POINTS, embedding_map, project
from slic.report.map import COLOURS, json_for_page, map_figure
from slic.videos.thumbnails import Filmstrip


def groups(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.arange(n) % 4
    return 5 * np.eye(4, 16)[label] + rng.normal(size=(n, 16)) * 0.5, label


def test_groups_stay_groups_and_the_map_repeats() -> None:
    x, label = groups(80)
    place = project(x)
    distance = np.linalg.norm(place[:, None] - place[None], axis=2) + 9 * np.eye(80)
    assert (label[distance.argmin(axis=1)] == label).all()
    assert place.min() == 0.0
    assert place.max() == 1.0
    assert np.array_equal(place, project(x * 3.0))  # only directions count


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9])
def test_few_points_and_collapsed_embeddings(n: int) -> None:
    assert np.isfinite(project(np.random.default_rng(0).normal(size=(n, 5)))).all()
    assert (project(np.ones((n, 5))) == 0.5).all()
    assert (project(np.zeros((n, 5))) == 0.5).all()


def test_two_distinct_places_among_equals() -> None:
    assert np.isfinite(project(np.eye(2, 5)[[0] * 10 + [1] * 10])).all()


def test_large_collections_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(x: np.ndarray, **_: int) -> np.ndarray:
        return np.zeros((len(x), 2), dtype=np.float32)

    monkeypatch.setattr("slic.report.embedding_map.project", place)
    n = 2 * MOST_POINTS
    points = embedding_map(
        np.zeros((n, 2)),
        [str(i) for i in range(n)],
        ["walk"] * n,
        strip_of=lambda _: Filmstrip("data:,", 1, 1, 1),
    )
    kept = np.array([int(name) for name in points.names])
    assert len(kept) == MOST_POINTS
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
    looks = {swatch.split("<path ")[1].split("/>")[0] for swatch in legend}
    assert len(looks) == n


def test_json_cannot_end_its_script() -> None:
    assert "<" not in json_for_page({"name": "</script><!--"})
