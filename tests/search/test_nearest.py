"""Filtered neighbours are the nearest of the moments that pass."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.search import Index

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_filtered_neighbours_are_the_nearest_of_those_that_pass(
    fill: Fill, rows: Rows, share: float
) -> None:
    index = fill({"a": rows(200)})
    ids, x = index.all_vectors()
    passes = ids <= share * 200
    queries = rows(4, seed=3)
    near = index.nearest(queries, 7, where=f"start_seconds < {share * 200}")
    for row, query in enumerate(queries):
        order = np.argsort(-(x[passes] @ query))[:7]
        assert near.ids[row].tolist() == ids[passes][order].tolist()
    nothing = index.nearest(queries, 7, where="start_seconds < 0")
    assert (nothing.ids == -1).all()
