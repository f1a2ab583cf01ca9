"""Groups stay groups on the map, the map repeats, and degenerate embeddings have positions."""

import numpy as np
import pytest

from slic.errors import EmbeddingsError
from slic.report import projection
from slic.report.projection import project_to_plane


def groups(count: int, of: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors in tight groups, and the group of each."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, of, count)
    x = rng.normal(size=(of, 24))[label] + 0.2 * rng.normal(size=(count, 24))
    return x.astype(np.float32), label


@pytest.mark.parametrize("sample", [3000, 120])
def test_neighbours_on_the_map_are_of_the_same_group(
    sample: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "PLACED_ROWS_PER_BLOCK", 50)
    x, label = groups(240, 6)
    positions = project_to_plane(x, sample=sample)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (label[apart.argmin(axis=1)] == label).mean() > 0.97
    assert (positions.min(), positions.max()) == (0.0, 1.0)


def test_the_map_repeats_and_only_directions_count() -> None:
    x, _ = groups(60, 3)
    first = project_to_plane(x, sample=40)
    assert np.array_equal(first, project_to_plane(x * 4.0, sample=40))
    assert not np.array_equal(first, project_to_plane(x, sample=40, seed=1))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9])
def test_few_points_and_equal_ones_have_positions(n: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, 5))
    assert project_to_plane(x).shape == (n, 2)
    assert np.isfinite(project_to_plane(x)).all()
    assert (project_to_plane(np.ones((n, 5))) == 0.5).all()
    assert (project_to_plane(np.zeros((n, 5))) == 0.5).all()


def test_two_distinct_directions_among_copies() -> None:
    assert np.isfinite(project_to_plane(np.eye(2, 5)[[0] * 10 + [1] * 10])).all()


def test_a_neighbour_across_the_map_does_not_pull_a_point() -> None:
    reduced = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [0.1, 0.1]])
    positions = np.array([[0.0, 0.0], [0.01, 0.0], [0.0, 0.01], [1.0, 1.0]])  # the last far away
    sample = projection._PlacedSample(reduced, positions)
    rng = np.random.default_rng(0)
    sample._gap[:] = 0.0  # no jitter
    (placed,) = sample.place(np.array([[0.04, 0.04]]), rng)
    assert (placed <= 0.01).all()


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(EmbeddingsError, match="1 of 3 embeddings are not finite"):
        project_to_plane(np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, 1.0]]))
