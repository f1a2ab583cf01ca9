"""Near duplicates are pairs of files."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.search import Index, near_duplicates

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
