"""First neighbours against a plain loop, and the rules for ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.errors import EmbeddingsError, TrainingError
from slic.neighbours import exact
from slic.neighbours.first import first_neighbours


def slow_neighbours(x: np.ndarray) -> tuple[list[int], list[float]]:
    """Return the nearest other point of each, and the distance, one point at a time."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    index, distance = [], []
    for i, u in enumerate(unit):
        d = 1.0 - unit @ u
        d[i] = np.inf
        index.append(int(d.argmin()))
        distance.append(float(d.min()))
    return index, distance


@pytest.mark.parametrize(
    ("n", "block"), [(2, 4), (3, 1), (16, 16), (17, 16), (100, 16), (100, 512)]
)
def test_neighbours_are_those_of_a_plain_loop(
    n: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "SQUARE_BLOCK_ROWS", block)
    x = np.random.default_rng(n).normal(size=(n, 6))
    found, (index, distance) = first_neighbours(x), slow_neighbours(x)
    assert found.index.tolist() == index
    np.testing.assert_allclose(found.distance, distance, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(points=st.lists(st.integers(0, 5), min_size=2, max_size=30), block=st.integers(1, 8))
def test_copies_and_ties_follow_the_rule(points: list[int], block: int) -> None:
    """Six directions with exact products, so that ties are exact too."""
    directions = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, 0]])
    scale = np.random.default_rng(len(points)).choice([0.5, 1.0, 4.0], (len(points), 1))
    x = directions[points] * scale
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "SQUARE_BLOCK_ROWS", block)
        found = first_neighbours(x)
    for i, point in enumerate(points):
        copies = [j for j, other in enumerate(points) if other == point and j != i]
        firsts = [j for j in range(len(points)) if points.index(points[j]) == j != i]
        d = {j: 1.0 - directions[point] @ directions[points[j]] for j in firsts}
        expected = copies[0] if copies else min(d, key=lambda j: (d[j], j))
        assert found.index[i] == expected
        alike = points[expected] == point  # of two zero rows the product is 0
        length = 1 if alike else directions[point] @ directions[points[expected]]
        assert found.distance[i] == pytest.approx(1.0 - length)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(EmbeddingsError, match="1 of 2 embeddings are not finite"):
        first_neighbours(np.array([[1.0, 0.0], [np.nan, 1.0]]))


def test_one_point_has_no_neighbour() -> None:
    with pytest.raises(TrainingError, match="1 embeddings"):
        first_neighbours(np.ones((1, 3)))
