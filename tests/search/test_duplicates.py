"""Near duplicates and isolated moments are those of plain loops."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.search import Index, isolated_moments, near_duplicates, survey_moments

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_near_duplicates_are_pairs_of_files(fill: Fill, rows: Rows) -> None:
    x = rows(6)
    index = fill({"a": x, "b": np.concatenate([rows(3, seed=8), x[2:4]]), "c": rows(5, seed=9)})
    (pair,) = near_duplicates(index, threshold=0.99)
    first, second = index.moments([pair.first, pair.second])
    assert (first.path, second.path) == ("a", "b")
    assert second.number - first.number == 1
    assert pair.similarity == pytest.approx(1.0)


def test_isolated_moments_by_loops(fill: Fill, kinds: Rows, rows: Rows) -> None:
    """Moments 2 s long every second: neighbours in a video overlap and do not count."""
    index = fill({"a": kinds(5, seed=1), "b": np.concatenate([kinds(5, seed=2), rows(1, seed=3)])})
    ids, x = index.all_vectors()
    moments = dict(zip(ids.tolist(), index.moments(ids), strict=True))
    expected = {}
    for own, vector in zip(ids.tolist(), x, strict=True):
        apart = [
            float(vector @ x[ids == other][0])
            for other, moment in moments.items()
            if moment.video_id != moments[own].video_id
            or abs(moment.start_seconds - moments[own].start_seconds) >= 2
        ]
        expected[own] = np.mean(sorted(apart, reverse=True)[:5])
    found = isolated_moments(index, most=4, neighbours=len(ids))
    assert [i for i, _ in found] == sorted(expected, key=lambda i: expected[i])[:4]
    assert [s for _, s in found] == pytest.approx(sorted(expected.values())[:4], abs=1e-5)


def test_a_moment_of_which_all_neighbours_overlap_has_the_similarity_of_the_last(
    fill: Fill, rows: Rows
) -> None:
    x = rows(2)
    found = isolated_moments(fill({"a": x}), neighbours=2)
    assert [i for i, _ in found] == [1, 2]
    assert [s for _, s in found] == pytest.approx([float(x[0] @ x[1])] * 2, abs=1e-6)


def test_a_survey_reports_how_far_it_is(fill: Fill, rows: Rows, empty: Index) -> None:
    seen: list[tuple[int, int]] = []
    survey_moments(fill({"a": rows(1500)}), on_batch=lambda *now: seen.append(now))
    assert seen == [(1024, 1500), (1500, 1500)]
    assert survey_moments(empty) == ([], [])


@pytest.fixture
def empty(fill: Fill, rows: Rows) -> Index:
    return fill({"a": rows(0)}, name="empty")
