"""A store is given what changed since its generation, or everything."""

from collections.abc import Callable

import numpy as np

from slic.search import Index
from slic.search.repository.videos import delete_video
from slic.search.stores import Neighbours, StoreUpdate
from slic.search.stores.sync import synchronise

Rows = Callable[..., np.ndarray]


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
