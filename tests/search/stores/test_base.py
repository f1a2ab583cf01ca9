"""Every store keeps the promises of the protocol, and is given what changed, or everything."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import Index
from slic.search.repository.videos import delete_video
from slic.search.stores import Neighbours, StoreLocation, StoreUpdate, VectorStore
from slic.search.stores.base import synchronise
from slic.search.stores.embedded import EmbeddedStore

Rows = Callable[..., np.ndarray]
MakeStore = Callable[[Path], VectorStore]


@pytest.fixture(params=["exact", "inverted file"])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Return a function that opens a store of 8 numbers, the same again for the same folder.

    The same tests run with a server in `test_milvus`.
    """
    exact_up_to = 10**6 if request.param == "exact" else 10
    return lambda folder: EmbeddedStore(
        StoreLocation(folder=folder, dimension=8), exact_up_to=exact_up_to
    )


def test_a_store_follows_what_comes_and_goes(
    make_store: MakeStore,
    tmp_path: Path,
    rows: Rows,
    update: Callable[..., StoreUpdate],
    assert_found: Callable[..., None],
) -> None:
    x, ids, queries = rows(60), np.arange(100, 160), rows(5, seed=9)
    store = make_store(tmp_path)
    assert store.generation is None
    store.apply(update(x[:40], ids[:40], generation=3, replaces_all=True))
    assert store.generation == 3
    assert_found(store, x[:40], ids[:40], queries)
    store.apply(update(x[40:], ids[40:], generation=5, replaces_all=False, removed=(100, 103, 999)))
    kept = np.setdiff1d(np.arange(60), [0, 3])
    assert store.generation == 5
    assert_found(store, x[kept], ids[kept], queries)
    store.save()
    store.close()
    again = make_store(tmp_path)
    if again.generation is not None:  # the exact store keeps nothing: the database gives it again
        assert again.generation == 5
        assert_found(again, x[kept], ids[kept], queries)
    again.apply(update(x[:3], ids[:3], generation=9, replaces_all=True))
    assert_found(again, x[:3], ids[:3], queries)  # fewer than k
    again.close()


def test_an_index_finds_the_same_in_every_store(
    make_store: MakeStore, fill: Callable[..., Index], rows: Rows, add: Callable[..., list[int]]
) -> None:
    index = fill({"a": rows(30), "b": rows(20, seed=1)})
    index._store = make_store(index.path)
    queries = rows(4, seed=5)
    for path in "cd":
        ids, x = index.all_vectors()
        near = index.nearest(queries, 6)
        assert near.ids.tolist() == ids[np.argsort(-(queries @ x.T), axis=1)[:, :6]].tolist()
        add(index, path, rows(5, seed=7))
    index.close()


class RecordingStore:
    """A store that keeps its updates, and may ask for everything once."""

    def __init__(self, *, outgrown: bool = False) -> None:
        self.generation: int | None = None
        self.updates: list[tuple[list[int], list[int], bool]] = []
        self.saves = 0
        self._outgrown = outgrown

    def apply(self, update: StoreUpdate) -> None:
        added = [int(i) for ids, _ in update.added for i in ids]
        self.updates.append((added, update.removed.tolist(), update.replaces_all))
        self.generation = None if self._outgrown and not update.replaces_all else update.generation

    def save(self) -> None:
        self.saves += 1

    def search(self, vectors: np.ndarray, k: int) -> Neighbours:
        raise NotImplementedError

    def close(self) -> None:
        pass


def test_a_store_is_given_only_what_changed(
    fill: Callable[..., Index], rows: Rows, add: Callable[..., list[int]]
) -> None:
    index, store = fill({"a": rows(2)}), RecordingStore()
    synchronise(store, index.database)
    synchronise(store, index.database)  # nothing changed
    add(index, "b", rows(3))
    with index.database.transaction() as connection:
        delete_video(connection, index.videos()[0].id)
    synchronise(store, index.database)
    assert store.updates == [([1, 2], [], True), ([3, 4, 5], [1, 2], False)]
    assert store.generation == index.generation
    assert store.saves == 2


def test_a_store_that_has_outgrown_its_kind_is_given_everything(
    fill: Callable[..., Index], rows: Rows, add: Callable[..., list[int]]
) -> None:
    index, store = fill({"a": rows(2)}), RecordingStore(outgrown=True)
    synchronise(store, index.database)
    add(index, "b", rows(1))
    synchronise(store, index.database)
    assert store.updates == [([1, 2], [], True), ([3], [], False), ([1, 2, 3], [], True)]
