"""Row arithmetic in blocks equals the arithmetic of one row at a time."""

import numpy as np
import pytest

from slic.errors import EmbeddingsError
from slic.neighbours import rows
from slic.neighbours.rows import (
    centred,
    centred_unit_rows,
    mean_directions,
    means_by_label,
    normalise,
    paired_distances,
    sums_by_label,
    unit_rows,
)


@pytest.fixture(params=[1, 3, 4096])
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_BLOCK", request.param)
    monkeypatch.setattr(rows, "SUMMED_VALUES_PER_BLOCK", 37 * request.param)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_change_nothing(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x: np.ndarray = rng.normal(size=(10, 5)).astype(dtype)
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    x[3] = x[4] = 0.0
    pairs = rng.integers(0, 10, (2, 20))
    length = np.linalg.norm(x.astype(np.float64), axis=1)
    unit = np.stack([row / (size or 1.0) for row, size in zip(x, length, strict=True)])
    sums = [sum((x[i] for i in range(10) if labels[i] == k), np.zeros(5)) for k in range(5)]
    means = [total / (labels == k).sum() for k, total in enumerate(sums[:4])]
    pairs[:, :3] = [[3, 3, 3], [3, 4, 5]]  # two zero rows are at distance 0
    distances = [1.0 - unit[a] @ unit[b] if unit[[a, b]].any() else 0.0 for a, b in pairs.T]
    np.testing.assert_allclose(unit_rows(x), unit, atol=1e-6)
    np.testing.assert_allclose(sums_by_label(x, labels, k=5), sums, atol=1e-6)
    np.testing.assert_allclose(means_by_label(x, labels, k=4), means, atol=1e-6)
    np.testing.assert_allclose(paired_distances(x, *pairs), distances, atol=1e-12)


def test_mean_directions_by_hand_and_zero_for_an_empty_label() -> None:
    unit = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    means = mean_directions(unit, np.array([0, 0, 2]), k=3)
    np.testing.assert_allclose(means, [[0.5**0.5, 0.5**0.5], [0, 0], [-1, 0]], atol=1e-7)


def test_centred_rows_have_mean_zero_and_keep_their_precision() -> None:
    x = (np.random.default_rng(0).normal(size=(9, 4)) + 5.0).astype(np.float32)
    assert centred(x).dtype == np.float32
    np.testing.assert_allclose(centred(x), x - np.array([sum(c) / 9 for c in x.T]), atol=1e-5)


def test_any_leading_axes_are_normalised_and_extreme_values_keep_their_direction() -> None:
    x = np.array([[[1e300, 1e300], [1e-300, 0.0]], [[0.0, 0.0], [3.0, -4.0]]])
    expected = [[[0.5**0.5, 0.5**0.5], [1.0, 0.0]], [[0.0, 0.0], [0.6, -0.8]]]
    np.testing.assert_allclose(normalise(x), expected, atol=1e-15)


@pytest.mark.usefixtures("_block")
def test_values_that_are_not_finite_are_counted_and_named() -> None:
    x = np.ones((5, 3), dtype=np.float32)
    x[2, 1], x[4, 0] = np.nan, np.inf
    with pytest.raises(EmbeddingsError, match=r"2 of 5 embeddings are not finite \(rows 2, 4\)"):
        unit_rows(x)


@pytest.mark.parametrize("centre", [True, False])
def test_rows_are_put_side_by_side_at_equal_weight(centre: bool) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((5, d)).astype(np.float32) * s for d, s in ((3, 1), (2, 100))]
    rows = centred_unit_rows(parts, centre=centre)
    for i in range(5):
        expected = []
        for part in parts:
            row = part[i] - (sum(part) / 5 if centre else 0)
            expected += list(row / (row @ row) ** 0.5)
        np.testing.assert_allclose(rows[i], expected, rtol=1e-4, atol=1e-6)
