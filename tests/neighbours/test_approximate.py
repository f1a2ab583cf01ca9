"""Approximate neighbours: the recall stated is true, and exact search where lists are slower."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from slic.neighbours import approximate
from slic.neighbours.approximate import search_lists
from slic.neighbours.exact import nearest_others
from slic.neighbours.first import first_neighbours
from slic.neighbours.rows import unit_rows


@pytest.fixture
def small_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide small data as finely as large data."""
    monkeypatch.setattr(approximate, "MAX_LIST_POINTS", 16)
    monkeypatch.setattr(approximate, "FIRST_DIVISION", (12, 2))
    monkeypatch.setattr(approximate, "NEXT_DIVISION", (48, 8))


def bursts(seed: int, n: int = 3000) -> np.ndarray:
    """Return clusters of ten, each in a direction of its own."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 10, 12))
    x: np.ndarray = centres[rng.integers(len(centres), size=n)] + 0.2 * rng.normal(size=(n, 12))
    return x.astype(np.float32)


@pytest.mark.usefixtures("small_lists")
@pytest.mark.parametrize("seed", range(5))
def test_the_recall_stated_is_that_of_a_plain_count(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approximate, "RECALL_SAMPLE_POINTS", 3000)  # all of them
    x = bursts(seed)
    found = first_neighbours(x, exact_up_to=0, seed=seed)
    similarity = unit_rows(x) @ unit_rows(x).T
    np.fill_diagonal(similarity, -1.0)
    true = similarity.argmax(axis=1)
    assert found.recall == (found.index == true).mean() >= approximate.MIN_SAMPLE_RECALL
    right = found.index == true
    np.testing.assert_allclose(found.distance[right], 1 - similarity.max(axis=1)[right], atol=1e-6)
    assert (found.index != np.arange(len(x))).all()


def test_the_recall_of_the_sample_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "MAX_LIST_POINTS", 50)
    x = bursts(0, n=8000)
    found = first_neighbours(x, exact_up_to=0)
    exact = first_neighbours(x, exact_up_to=len(x))
    assert found.recall is not None
    assert found.recall == pytest.approx((found.index == exact.index).mean(), abs=0.015)


@pytest.mark.usefixtures("small_lists")
def test_random_directions_are_searched_exactly(caplog: pytest.LogCaptureFixture) -> None:
    x = np.random.default_rng(0).normal(size=(2000, 64))
    assert search_lists(x, np.arange(2000), seed=0) is None
    assert caplog.messages == [
        "2000 points have no clear neighbours, so all pairs of them are compared"
    ]
    found, exact = first_neighbours(x, exact_up_to=0), first_neighbours(x)
    assert found.recall is None
    assert found.index.tolist() == exact.index.tolist()


@pytest.mark.parametrize("n", [2, 3, 5, 50])
def test_fewer_points_than_lists_need_are_searched_exactly(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 4))
    found = first_neighbours(x, exact_up_to=0)
    assert found.recall is None
    assert found.index.tolist() == nearest_others(unit_rows(x)).tolist()


@pytest.mark.usefixtures("small_lists")
def test_the_seed_decides_the_result_and_threads_do_not() -> None:
    unit = unit_rows(bursts(1, n=1500))
    outcomes = []
    before = torch.get_num_threads()
    try:
        for threads, seed in ((1, 7), (2, 7), (2, 8)):
            torch.set_num_threads(threads)
            with threadpool_limits(threads):
                outcomes.append(search_lists(unit, np.arange(len(unit)), seed=seed))
    finally:
        torch.set_num_threads(before)
    (one, recall_one), (two, recall_two), (other, _) = (found for found in outcomes if found)
    assert one.tolist() == two.tolist() != other.tolist()
    assert recall_one == recall_two


@pytest.mark.usefixtures("small_lists")
def test_copies_follow_the_rule_among_approximate_neighbours_too() -> None:
    x = bursts(2)
    x[1000:1300] = x[:300] * 2.0  # in the same direction
    found = first_neighbours(x, exact_up_to=0)
    assert found.recall is not None
    assert found.index[:300].tolist() == list(range(1000, 1300))
    assert found.index[1000:1300].tolist() == list(range(300))
    assert not np.isin(found.index[1300:], np.arange(1000, 1300)).any()
