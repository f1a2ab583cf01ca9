"""The map is cached for one state of the index, and a lasso agrees with plain geometry."""

import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.search import Index
from slic.studio.projection import (
    MAP_FILE,
    MAX_COORDINATE,
    MomentMap,
    load_map,
    make_map,
    make_preliminary_map,
    principal_plane,
    sample_of_map,
)


def test_a_map_is_cached_for_one_state_of_the_index(index_folder: Path) -> None:
    index = Index.open(index_folder)
    assert load_map(index_folder, index.generation) is None
    made = make_map(index_folder)
    kept = load_map(index_folder, index.generation)
    assert kept is not None
    assert np.array_equal(kept.ids, index.ids())
    assert np.array_equal(kept.positions, made.positions)
    assert load_map(index_folder, index.generation + 1) is None
    whole = (index_folder / MAP_FILE).read_bytes()
    for damaged in (b"", b"damaged", b"PK\x03\x04damaged", whole[:-100], whole[:200]):
        (index_folder / MAP_FILE).write_bytes(damaged)
        assert load_map(index_folder, index.generation) is None
    with (index_folder / MAP_FILE).open("wb") as file:  # a map of an older version
        np.savez(file, format=1, **made._asdict())
    assert load_map(index_folder, index.generation) is None
    index.close()


def test_the_plane_is_that_of_a_full_decomposition() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 40)) * 0.7 ** np.arange(40)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    u, s, _ = np.linalg.svd((x - x.mean(axis=0)).astype(np.float64), full_matrices=False)
    found, true = principal_plane(x), u[:, :2] * s[:2]
    assert np.abs(found / np.sign((found * true).sum(axis=0)) - true).max() < 0.02
    nearly = principal_plane(np.concatenate([x, x[:5]]))[:300]
    assert np.abs(nearly - found).max() < 0.1  # no component changes its direction


def test_a_preliminary_map_is_within_its_edges(index_folder: Path) -> None:
    index = Index.open(index_folder)
    made = make_preliminary_map(index, index.ids()[::-1], generation=7)
    assert made.generation == 7
    assert np.array_equal(made.ids, index.ids())
    assert made.positions.min() == 0
    assert made.positions.max() == MAX_COORDINATE
    assert len(make_preliminary_map(index, index.ids()[:0], generation=7).ids) == 0
    (alone,) = make_preliminary_map(index, index.ids()[:1], generation=7).positions.tolist()
    assert alone == [MAX_COORDINATE // 2 + 1] * 2
    index.close()


corner = st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))


@settings(max_examples=30, deadline=None)
@given(st.lists(corner, min_size=3, max_size=3))
def test_a_lasso_holds_what_is_inside_its_triangle(triangle: list[tuple[float, float]]) -> None:
    places = np.random.default_rng(0).integers(0, MAX_COORDINATE + 1, (300, 2)).astype(np.uint16)
    inside = set(MomentMap(0, np.arange(300), places).inside(triangle).tolist())
    for number, (x, y) in enumerate(places / MAX_COORDINATE):
        margin = _distance_inside(triangle, float(x), float(y))
        if abs(margin) > 0.002:  # nearer to the edge than a pixel
            assert (number in inside) == (margin > 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(corner, min_size=3, max_size=9), st.integers(0, 99))
def test_a_lasso_agrees_with_plain_loops_for_any_polygon(
    polygon: list[tuple[float, float]], seed: int
) -> None:
    """Also where it crosses itself, and for points that are very near to its edges."""
    rng = np.random.default_rng(seed)
    corners = np.array(polygon)
    at = rng.integers(len(corners), size=60)
    along = corners[at] + rng.random((60, 1)) * (np.roll(corners, 1, axis=0)[at] - corners[at])
    places = np.concatenate([rng.random((60, 2)), along + rng.normal(size=(60, 2)) * 3e-4])
    whole = (places.clip(0, 1) * MAX_COORDINATE).astype(np.uint16)
    found = MomentMap(0, np.arange(120), whole).inside(polygon)
    expected = [i for i, (x, y) in enumerate(whole / MAX_COORDINATE) if _crosses(polygon, x, y)]
    assert found.tolist() == expected


def _crosses(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    """Count the edges that a ray to the right crosses, one by one."""
    crossed = 0
    for number, (ax, ay) in enumerate(polygon):
        bx, by = polygon[number - 1]
        left = (x - ax) * (by - ay) - (bx - ax) * (y - ay)
        if (ay > y) != (by > y) and (left < 0 if by > ay else left > 0):
            crossed += 1
    return crossed % 2 == 1


def test_a_sample_of_a_map_has_the_positions_of_its_moments() -> None:
    places = np.random.default_rng(0).integers(0, MAX_COORDINATE, (50, 2)).astype(np.uint16)
    whole = MomentMap(3, np.arange(100, 150), places)
    some = sample_of_map(whole, 7)
    assert len(some.ids) == 7
    assert (np.diff(some.ids) > 0).all()
    assert np.array_equal(some.positions, places[some.ids - 100])
    assert sample_of_map(whole, 50) is whole


def _distance_inside(triangle: list[tuple[float, float]], x: float, y: float) -> float:
    """Return how far a point is inside the three edges; below 0 is outside."""
    least = sys.float_info.max
    (ax, ay), (bx, by), (cx, cy) = triangle
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    for (px, py), (qx, qy) in zip(triangle, [*triangle[1:], triangle[0]], strict=True):
        length = np.hypot(qx - px, qy - py)
        if length < 1e-6 or abs(turn) < 1e-3:
            return 0.0  # nearly a line
        side = ((qx - px) * (y - py) - (qy - py) * (x - px)) / length
        least = min(least, float(side * np.sign(turn)))
    return least
