"""Arithmetic in blocks against one row at a time."""

import numpy as np
import pytest

from slic.neighbours import rows
from slic.neighbours.rows import directions, paired_distances, sums_by_label


@pytest.fixture(autouse=True, params=[1, 3, 4096])
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK", request.param)
    monkeypatch.setattr(rows, "COLUMNS", request.param)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_change_nothing(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x: np.ndarray = rng.normal(size=(10, 5)).astype(dtype)
    labels = rng.integers(0, 4, 10)
    x[3] = x[4] = 0.0
    pairs = rng.integers(0, 10, (2, 20))
    length = np.linalg.norm(x.astype(np.float64), axis=1)
    unit = np.stack([row / (size or 1.0) for row, size in zip(x, length, strict=True)])
    sums = [sum((x[i] for i in range(10) if labels[i] == k), np.zeros(5)) for k in range(5)]
    pairs[:, :3] = [[3, 3, 3], [3, 4, 5]]  # two zero rows point the same way, none
    distances = [1.0 - unit[a] @ unit[b] if unit[[a, b]].any() else 0.0 for a, b in pairs.T]
    np.testing.assert_allclose(directions(x), unit, atol=1e-6)
    np.testing.assert_allclose(sums_by_label(x, labels, k=5), sums, atol=1e-6)
    np.testing.assert_allclose(paired_distances(x, *pairs), distances, atol=1e-12)
