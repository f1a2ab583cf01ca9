"""Updates of a store, and a comparison with plain sorting."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.search.stores import StoreUpdate, VectorStore

MakeUpdate = Callable[..., StoreUpdate]
AssertNearest = Callable[..., None]


def make_update(
    x: np.ndarray,
    ids: np.ndarray,
    *,
    generation: int,
    replaces_all: bool,
    removed: tuple[int, ...] = (),
) -> StoreUpdate:
    blocks = [(ids[i : i + 7], x[i : i + 7]) for i in range(0, len(ids), 7)]
    return StoreUpdate(
        generation=generation,
        count=len(ids),
        removed=np.array(removed, dtype=np.int64),
        added=iter(blocks),
        replaces_all=replaces_all,
    )


def assert_nearest(store: VectorStore, x: np.ndarray, ids: np.ndarray, queries: np.ndarray) -> None:
    """Compare with sorting all similarities."""
    k = 5
    found = store.search(queries, k)
    similarity = queries @ x.T
    for row in range(len(queries)):
        order = np.argsort(-similarity[row])[:k]
        assert found.ids[row, : len(order)].tolist() == ids[order].tolist()
        assert found.similarities[row, : len(order)] == pytest.approx(
            similarity[row, order], abs=1e-5
        )
        assert (found.ids[row, len(order) :] == -1).all()


@pytest.fixture(scope="session")
def update() -> MakeUpdate:
    """Return :func:`make_update`."""
    return make_update


@pytest.fixture(scope="session")
def assert_found() -> AssertNearest:
    """Return :func:`assert_nearest`."""
    return assert_nearest
