"""Inverted lists hold every row once; a search in them shares its work without changing it."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.clustering.finch import finch
from slic.neighbours import approximate, borders, division
from slic.neighbours.borders import Borders
from slic.neighbours.division import Division, first_order
from slic.neighbours.lists import Fineness, divide
from slic.neighbours.rows import unit_rows
from slic.neighbours.sharded import LOCAL, NOT_FOUND, Best, Queries, Sharding, Task, compare


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 400), most=st.integers(2, 40))
def test_every_point_is_in_one_list(seed: int, n: int, most: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[n // 2 :] = [1.0, 0.0, 0.0] + 1e-9 * x[n // 2 :]  # alike in float32
    points = np.arange(0, n, 2)
    lists = divide(x, points, Fineness(most, branches=5, steps=2), seed=seed)
    assert sorted(np.concatenate(lists).tolist()) == points.tolist()
    assert all(1 <= len(one) <= most for one in lists)


@pytest.mark.parametrize("seed", range(4))
def test_the_true_nearest_row_is_that_of_a_plain_loop(seed: int) -> None:
    x = clusters(seed, n=400)
    found = divided(x)
    places = np.arange(0, 400, 7)
    similarity = found.rows @ found.rows.T
    np.fill_diagonal(similarity, -1.0)
    assert found.true_nearest(places).nearest.tolist() == similarity.argmax(axis=1)[places].tolist()


def test_rows_compared_with_all_lists_find_their_nearest_by_a_plain_loop() -> None:
    found = divided(clusters(3, n=300))
    lists = np.arange(len(found.order.sizes))
    rows, others = np.meshgrid(np.arange(300), lists, indexing="ij")
    apart = found.list_of_place[rows] != others
    found.compare_(rows[apart], others[apart])
    similarity = found.rows @ found.rows.T
    np.fill_diagonal(similarity, -1.0)
    assert found.order.best.nearest.tolist() == similarity.argmax(axis=1).tolist()


def test_a_comparison_gives_only_what_is_as_near_as_what_is_known() -> None:
    found = divided(clusters(4, n=300))
    rows, known = found.rows, found.order.best.similarity.copy()
    queries = np.flatnonzero(found.list_of_place >= 2)  # compared with lists 0 and 1
    bounds = found.bounds[:3]
    places = np.tile(queries, 2)
    asked = Queries(places, np.array([0, len(queries), len(places)]), known[places])
    answer = compare(Task(rows, bounds, known[: bounds[-1]], asked))
    similarity = rows @ rows.T
    assert len(answer.members.nearest) == bounds[-1]
    for place, nearest in enumerate(answer.members.nearest):
        best = similarity[place, queries].max()
        assert (nearest != NOT_FOUND) == (best >= known[place])
        assert nearest == NOT_FOUND or nearest == queries[similarity[place, queries].argmax()]
    ways = np.repeat([0, 1], len(queries))
    for place, number, nearest in zip(asked.places, ways, answer.queries.nearest, strict=True):
        inside = slice(*found.bounds[number : number + 2])
        best = similarity[place, inside].max()
        assert (nearest != NOT_FOUND) == (best >= known[place])
        assert nearest == NOT_FOUND or nearest == inside.start + similarity[place, inside].argmax()


@pytest.mark.parametrize("all_compared", [10_000, 100])
def test_the_lists_beside_a_list_are_those_of_a_plain_loop(
    all_compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borders, "MAX_ALL_COMPARED", all_compared)
    monkeypatch.setattr(borders, "COMPARED_CENTRES", 500)
    centres = unit_rows(clusters(5, n=1500))
    beside = borders.beside_each(centres, 9)
    similarity = centres @ centres.T
    np.fill_diagonal(similarity, -1.0)
    true = np.argsort(-similarity, axis=1)[:, :9]
    right = [len(set(a) & set(b)) / 9 for a, b in zip(beside.indices, true, strict=True)]
    assert np.mean(right) == 1.0 if all_compared > 1500 else np.mean(right) > 0.95
    near = np.take_along_axis(similarity, beside.indices, axis=1)
    np.testing.assert_allclose(beside.similarities, near, atol=1e-6)
    assert (np.diff(beside.similarities) <= 0).all()
    two = borders.beside_each(centres[:2], 9)
    assert two.indices.tolist() == [[1], [0]]


def test_remoteness_by_hand() -> None:
    """Two centres at a right angle; the plane between them is at 45 degrees."""
    found = Borders.of(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    rows = np.array([[1.0, 0.0], [0.5**0.5, 0.5**0.5]], np.float32)
    half = np.full(2, 0.5, np.float32)  # at distance 1 of the nearest row
    np.testing.assert_allclose(found.remoteness(rows, 0, half), [[0.5**0.5], [0.0]], atol=1e-6)


@pytest.mark.parametrize("at_once", [3, 7, 100])
def test_near_lists_are_those_up_to_a_remoteness(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borders, "LISTS_AT_ONCE", at_once)
    found = divided(clusters(6, n=600))
    best = found.order.best.similarity
    for one_list in range(0, len(found.order.sizes), 5):
        inside = slice(*found.bounds[one_list : one_list + 2])
        rows, similarity = found.rows[inside], best[inside]
        remoteness = found.borders.remoteness(rows, one_list, similarity)
        for limit in (1e-4 + np.quantile(remoteness, [0.02, 0.1, 0.5])).tolist():  # between them
            row, other = found.borders.near(rows, one_list, similarity, limit)
            wanted, column = (remoteness <= limit).nonzero()
            right = zip(wanted, found.borders.beside[one_list][column], strict=True)
            assert sorted(zip(row, other, strict=True)) == sorted(right)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_best_of_several_results_does_not_depend_on_their_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, index = rng.integers(0, 5, 20), rng.integers(0, 50, 20)
    similarity = rng.integers(0, 4, 20).astype(np.float32)  # with ties
    ways = []
    for order in (np.arange(20), rng.permutation(20)):
        best = Best.none_yet(5)
        for part in np.array_split(order, 3):
            best.improve_(rows[part], Best(similarity[part], index[part]))
        ways.append(best)
    for row in set(rows.tolist()):
        most = max(zip(similarity[rows == row], -index[rows == row], strict=True))
        for best in ways:
            assert (best.similarity[row], -best.nearest[row]) == most


@pytest.fixture
def fine_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide small data as finely as large data."""
    monkeypatch.setattr(approximate, "MAX_LIST_POINTS", 20)
    monkeypatch.setattr(division, "LISTS_PER_TASK", 8)


@pytest.mark.usefixtures("fine_lists")
def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    x = clusters(0, n=2000)
    one = finch(x, exact_up_to=100)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        two = finch(x, exact_up_to=100, sharding=Sharding(pool.map, tmp_path))
    assert one.recalls[0] is not None
    assert one.recalls == two.recalls
    assert all(np.array_equal(a, b) for a, b in zip(one.partitions, two.partitions, strict=True))
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


@pytest.mark.usefixtures("fine_lists")
def test_a_mapped_file_gives_the_result_of_its_array(tmp_path: Path) -> None:
    x = clusters(1, n=2000)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (finch(rows, exact_up_to=100) for rows in (x, mapped))
    assert all(np.array_equal(a, b) for a, b in zip(one.partitions, other.partitions, strict=True))
    assert np.array_equal(mapped, x)


@pytest.mark.usefixtures("fine_lists")
def test_zero_rows_are_one_cluster_of_a_large_collection() -> None:
    x = clusters(2, n=2000)
    x[5:2000:40] = 0.0
    labels = finch(x, exact_up_to=100).partitions[0]
    assert len(set(labels[5:2000:40].tolist())) == 1


def clusters(seed: int, *, n: int) -> np.ndarray:
    """Return clusters of about ten."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 10, 12))
    x: np.ndarray = centres[rng.integers(len(centres), size=n)] + 0.2 * rng.normal(size=(n, 12))
    return x.astype(np.float32)


def divided(x: np.ndarray) -> Division:
    """Return the rows in lists that are compared within."""
    order = first_order(x, np.arange(len(x)), Fineness(30, branches=4, steps=2), seed=0)
    found = Division.of(unit_rows(x), order, LOCAL, name="rows.npy")
    found.compare_within_()
    return found
