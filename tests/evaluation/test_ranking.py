"""Ranks are checked against sorting Python lists; many values are equal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.errors import EmbeddingsError
from slic.evaluation import ranking
from slic.evaluation.ranking import first_match_rank, match_ranks, rank, similarity_rows


def slow_order(row: np.ndarray) -> list[int]:
    """Return places by falling value; Python's sort is stable, so equal ones keep their order."""
    return sorted(range(len(row)), key=lambda place: -row[place])


@st.composite
def rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw similarities of few different values, and the places of at least one match."""
    row = draw(st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30))
    matches = draw(st.sets(st.integers(0, len(row) - 1), min_size=1))
    return np.array(row, dtype=np.float32), np.array(sorted(matches))


@given(rows())
def test_ranks_of_matches_are_their_places_in_the_full_order(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    row, matches = drawn
    expected = [i + 1 for i, place in enumerate(slow_order(row)) if place in matches]
    assert match_ranks(row, matches).tolist() == expected
    assert first_match_rank(row, matches) == expected[0]


@pytest.mark.parametrize("block", [1, 200, 2**25])
def test_blocks_give_the_dense_matrix(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MAX_BLOCK_SIMILARITIES", block)
    rng = np.random.default_rng(0)
    q, g = rng.normal(size=(23, 2, 5)), rng.normal(size=(61, 2, 5))
    q_mean, g_mean = q.mean(axis=1), g.mean(axis=1)
    q_mean, g_mean = q_mean - q_mean.mean(axis=0), g_mean - g_mean.mean(axis=0)
    norms = np.linalg.norm(q_mean, axis=1)[:, None] * np.linalg.norm(g_mean, axis=1)
    blocks = np.stack(list(similarity_rows(q, g, centre=True)))
    np.testing.assert_allclose(blocks, q_mean @ g_mean.T / norms, atol=1e-5)
    order = [slow_order(row) for row in blocks]
    assert rank(q, g, 1000, centre=True).indices.tolist() == order
    assert rank(q, g, 3, centre=True).indices.tolist() == [row[:3] for row in order]


def test_clips_are_averaged_before_they_are_scaled() -> None:
    rng = np.random.default_rng(1)
    q, g = rng.normal(size=(5, 10, 4)), rng.normal(size=(30, 10, 4))
    q[:, 0] *= 100.0  # scaled clip by clip, the loud clip would count no more than the others
    assert np.array_equal(rank(q, g, 30).indices, rank(q.mean(axis=1), g.mean(axis=1), 30).indices)


def test_centring_subtracts_the_mean_of_each_side() -> None:
    rng = np.random.default_rng(2)
    q, g = rng.normal(size=(8, 4)), rng.normal(size=(30, 4))
    shifted = rank(q + 5.0, g - 7.0, 30, centre=True)
    by_hand = rank(q - q.mean(axis=0), g - g.mean(axis=0), 30)
    assert np.array_equal(shifted.indices, by_hand.indices)


def test_embeddings_that_are_missing_or_not_finite_are_refused() -> None:
    x = np.ones((3, 2))
    x[1, 0] = np.nan
    with pytest.raises(EmbeddingsError, match=r"1 of 3 embeddings are not finite \(rows 1\)"):
        rank(x, np.ones((2, 2)), 1)
    with pytest.raises(EmbeddingsError, match="at least one video"):
        rank(np.ones((0, 2)), np.ones((2, 2)), 1)
