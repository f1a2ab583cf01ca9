"""Nearest neighbours are those of a full sort in Python; many values are equal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slic.neighbours import exact
from slic.neighbours.exact import (
    NearestRows,
    largest,
    merge_nearest,
    nearest_others,
    nearest_rows,
)

# Products of these directions are exact, so ties are exact too.
AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, 0, 0]], dtype=np.float32)


def slow_order(row: np.ndarray) -> list[int]:
    """Return positions by falling value; Python's sort is stable, so ties keep their order."""
    return sorted(range(len(row)), key=lambda place: -row[place])


@given(
    st.lists(st.sampled_from([-0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=30), st.integers(1, 40)
)
def test_the_largest_are_the_head_of_the_full_order(values: list[float], k: int) -> None:
    row = np.array(values, dtype=np.float32)
    assert largest(row, k).tolist() == slow_order(row)[:k]
    long = np.tile(row, 50)  # long enough for the maxima of groups
    assert largest(long, k).tolist() == slow_order(long)[:k]


@settings(max_examples=80, deadline=None)
@given(
    queries=st.lists(st.integers(0, 4), max_size=6),
    gallery=st.lists(st.integers(0, 4), min_size=2, max_size=30),
    k=st.integers(1, 35),
    exclude=st.booleans(),
    limits=st.sampled_from([(1, 1), (10, 7), (2**25, 2**16)]),
)
def test_nearest_rows_are_the_head_of_the_full_order(
    queries: list[int], gallery: list[int], k: int, exclude: bool, limits: tuple[int, int]
) -> None:
    excluded = np.arange(len(queries)) % len(gallery)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "MAX_BLOCK_SIMILARITIES", limits[0])
        patch.setattr(exact, "GALLERY_BLOCK_ROWS", limits[1])
        found = nearest_rows(
            AXES[queries], AXES[gallery], k, excluded=excluded if exclude else None
        )
    for i, query in enumerate(queries):
        row = AXES[gallery] @ AXES[query]
        order = [j for j in slow_order(row) if not (exclude and j == excluded[i])][:k]
        assert found.indices[i].tolist() == order
        assert found.similarities[i].tolist() == row[order].tolist()


@settings(max_examples=60, deadline=None)
@given(points=st.lists(st.integers(0, 4), min_size=2, max_size=30), block=st.integers(1, 8))
def test_nearest_others_are_the_nearest_rows_without_oneself(points: list[int], block: int) -> None:
    x = AXES[points]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "SQUARE_BLOCK_ROWS", block)
        found = nearest_others(x)
    expected = nearest_rows(x, x, 1, excluded=np.arange(len(x)))
    assert found.tolist() == expected.indices[:, 0].tolist()


@pytest.mark.parametrize("k", [1, 3])
def test_blocks_with_ids_are_merged_in_their_order(k: int) -> None:
    rng = np.random.default_rng(0)
    similarity = rng.integers(-2, 3, (4, 12)).astype(np.float32)
    ids, found = np.arange(12) * 10 + 7, NearestRows.none_yet(4)
    for start in range(0, 12, 5):
        part = slice(start, start + 5)
        found = merge_nearest(found, similarity[:, part], ids[part], k=k)
        found = merge_nearest(found, similarity[:, :0], ids[:0], k=k)  # an empty block
    for row, indices in zip(similarity, found.indices, strict=True):
        assert indices.tolist() == ids[slow_order(row)[:k]].tolist()


def test_blocks_change_nothing_but_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    q, g = (rng.normal(size=(n, 16)).astype(np.float32) for n in (40, 300))
    whole = nearest_rows(q, g, 7)
    monkeypatch.setattr(exact, "MAX_BLOCK_SIMILARITIES", 500)
    monkeypatch.setattr(exact, "GALLERY_BLOCK_ROWS", 33)
    parts = nearest_rows(q, g, 7)
    assert np.array_equal(whole.indices, parts.indices)
    np.testing.assert_allclose(whole.similarities, parts.similarities, rtol=1e-5)
