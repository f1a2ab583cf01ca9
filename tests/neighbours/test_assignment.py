"""The nearest of many centres: exact, or nearly so where a sample says it."""

import numpy as np
import pytest

from slic.neighbours import assignment
from slic.neighbours.assignment import assign


@pytest.fixture
def many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Group few centres as finely as many."""
    monkeypatch.setattr(assignment, "MAX_COMPARED_CENTRES", 20)
    monkeypatch.setattr(assignment, "MAX_GROUP_CENTRES", 8)
    monkeypatch.setattr(assignment, "COMPARED_GROUPS", 6)
    monkeypatch.setattr(assignment, "ROWS_AT_ONCE", 64)


def drawn(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows near centres in clusters, and the centres."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(20, 6))
    centres = np.repeat(kinds, 10, axis=0) + 0.2 * rng.normal(size=(200, 6))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    x = centres[rng.integers(200, size=1500)] + noise * rng.normal(size=(1500, 6))
    return x.astype(np.float32), centres.astype(np.float32)


def test_few_centres_are_all_compared() -> None:
    x, centres = drawn(0.5)
    assert assign(x, centres, seed=0).tolist() == (x @ centres.T).argmax(axis=1).tolist()


@pytest.mark.usefixtures("many_are_few")
@pytest.mark.parametrize("seed", range(3))
def test_of_many_centres_nearly_every_row_gets_the_nearest(seed: int) -> None:
    x, centres = drawn(0.02)
    right = assign(x, centres, seed=seed) == (x @ centres.T).argmax(axis=1)
    assert right.mean() > 0.97


@pytest.mark.usefixtures("many_are_few")
def test_where_groups_mislead_all_centres_are_compared() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 32)).astype(np.float32)
    centres = rng.normal(size=(300, 32)).astype(np.float32)
    assert assign(x, centres, seed=0).tolist() == (x @ centres.T).argmax(axis=1).tolist()
