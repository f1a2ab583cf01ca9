"""The map keeps neighbours together, is kept, and a lasso agrees with plain geometry."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.search import Index
from slic.studio.projection import EDGE, Map, kept_map, make_map, project


def groups(count: int, of: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors in tight groups, and their groups."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(of, 24))
    label = rng.integers(0, of, count)
    x = centres[label] + 0.2 * rng.normal(size=(count, 24))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), label


@pytest.mark.parametrize("sample", [3000, 120])
def test_neighbours_on_the_map_are_of_the_same_group(sample: int) -> None:
    x, label = groups(240, 6)
    places = project(x, sample=sample).astype(float)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (label[apart.argmin(axis=1)] == label).mean() > 0.97


def test_the_same_vectors_give_the_same_map() -> None:
    x, _ = groups(60, 3)
    assert np.array_equal(project(x, sample=40), project(x, sample=40))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11, 12])
@pytest.mark.parametrize("alike", [False, True])
def test_few_moments_and_equal_ones_have_places(count: int, alike: bool) -> None:
    x, _ = groups(max(count, 1), 2)
    x = np.repeat(x[:1], count, axis=0) if alike else x[:count]
    assert project(x).shape == (count, 2)


def test_a_map_is_kept_for_one_state_of_the_index(index_folder: Path) -> None:
    index = Index.open(index_folder)
    assert kept_map(index_folder, index.generation) is None
    made = make_map(index_folder)
    kept = kept_map(index_folder, index.generation)
    assert kept is not None
    assert np.array_equal(kept.ids, index.ids())
    assert np.array_equal(kept.places, made.places)
    assert kept_map(index_folder, index.generation + 1) is None
    whole = (index_folder / "map.npz").read_bytes()
    for damaged in (b"", b"damaged", b"PK\x03\x04damaged", whole[:-100], whole[:200]):
        (index_folder / "map.npz").write_bytes(damaged)
        assert kept_map(index_folder, index.generation) is None
    index.close()


corner = st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))


@settings(max_examples=30, deadline=None)
@given(st.lists(corner, min_size=3, max_size=3))
def test_a_lasso_holds_what_is_inside_its_triangle(triangle: list[tuple[float, float]]) -> None:
    places = np.random.default_rng(0).integers(0, EDGE + 1, (300, 2)).astype(np.uint16)
    inside = set(Map(0, np.arange(300), places).inside(triangle).tolist())
    for number, (x, y) in enumerate(places / EDGE):
        margin = _distance_inside(triangle, float(x), float(y))
        if abs(margin) > 0.002:  # at the very edge the picture decides
            assert (number in inside) == (margin > 0)


def _distance_inside(triangle: list[tuple[float, float]], x: float, y: float) -> float:
    """Return how far a point is inside the three edges; below 0 is outside."""
    least = sys.float_info.max
    (ax, ay), (bx, by), (cx, cy) = triangle
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    for (px, py), (qx, qy) in zip(triangle, [*triangle[1:], triangle[0]], strict=True):
        length = np.hypot(qx - px, qy - py)
        if length < 1e-6 or abs(turn) < 1e-3:
            return 0.0  # as good as no triangle
        side = ((qx - px) * (y - py) - (qy - py) * (x - px)) / length
        least = min(least, float(side * np.sign(turn)))
    return least
