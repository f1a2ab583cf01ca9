"""The inverted file on disk finds what exact search finds, after any additions and removals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search import Index
from slic.search.stores import StoreLocation, StoreUpdate, disk_lists, mapped_rows
from slic.search.stores.disk_lists import LISTS_FOLDER, DiskLists
from slic.search.stores.embedded import EmbeddedStore
from slic.search.stores.vector_file import VectorFile

Rows = Callable[..., np.ndarray]
MakeUpdate = Callable[..., StoreUpdate]
AssertNearest = Callable[..., None]
Make = Callable[..., tuple[DiskLists, VectorFile]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that opens the lists of a folder, and the vectors that they compare."""
    monkeypatch.setattr(disk_lists, "ROWS_PER_RUN", 20)
    monkeypatch.setattr(mapped_rows, "ROWS_PER_BLOCK", 4)

    def make(*, parts: tuple[int, ...] = (8,), probed: int = 10**6) -> tuple[DiskLists, VectorFile]:
        vectors = VectorFile(tmp_path, sum(parts))
        location = StoreLocation(
            folder=tmp_path, dimension=sum(parts), parts=parts, vectors=vectors
        )
        return DiskLists(location, probed=probed), vectors

    return make


def apply(
    stores: tuple[DiskLists, VectorFile], x: np.ndarray, ids: np.ndarray, update: MakeUpdate,
    *, generation: int, removed: tuple[int, ...] = (), replaces_all: bool = False,
) -> None:  # fmt: skip
    change = {"generation": generation, "removed": removed, "replaces_all": replaces_all}
    lists, vectors = stores
    vectors.apply(update(x, ids, **change))
    lists.apply(update(x, ids, **change))


def test_additions_and_removals_need_no_rebuilding(
    make: Make, rows: Rows, update: MakeUpdate, assert_found: AssertNearest, tmp_path: Path
) -> None:
    x, ids, queries = rows(300), np.arange(5, 305), rows(6, seed=9)
    stores = make()
    apply(stores, x[:200], ids[:200], update, generation=1, replaces_all=True)
    assert_found(stores[0], x[:200], ids[:200], queries)
    alive = np.ones(300, bool)
    for step, start in enumerate(range(200, 300, 10)):
        gone = tuple(int(i) for i in ids[3 * step : 3 * step + 2])
        alive[3 * step : 3 * step + 2] = False
        part = slice(start, start + 10)
        apply(stores, x[part], ids[part], update, generation=step + 2, removed=gone)
        kept = alive & (np.arange(300) < start + 10)
        assert_found(stores[0], x[kept], ids[kept], queries)
        assert_found(make()[0], x[kept], ids[kept], queries)  # as another process opens it
    opened = stores[0]._files.opened
    assert opened is not None
    assert len(opened.state.segments) <= 4  # small ones are merged
    assert len(list((tmp_path / LISTS_FOLDER).glob("*.lists"))) == len(opened.state.segments)
    assert opened.state.trained_for == 200  # the cells are still the first ones


def test_many_removed_moments_leave_the_lists(
    make: Make, rows: Rows, update: MakeUpdate, assert_found: AssertNearest
) -> None:
    x, ids = rows(100), np.arange(100)
    stores = make()
    apply(stores, x, ids, update, generation=1, replaces_all=True)
    lists = stores[0]
    lists.apply(update(x[:0], ids[:0], generation=2, replaces_all=False, removed=tuple(range(30))))
    assert lists._files.opened is not None
    assert lists._files.opened.state.rows == 70
    assert not len(lists._files.opened.state.dead)
    assert_found(lists, x[30:], ids[30:], rows(5, seed=9))


def test_a_file_that_has_grown_much_asks_for_new_cells(
    make: Make, rows: Rows, update: MakeUpdate
) -> None:
    stores = make()
    apply(stores, rows(20), np.arange(20), update, generation=1, replaces_all=True)
    apply(stores, rows(70), np.arange(20, 90), update, generation=2)
    assert stores[0].generation is None


def test_an_update_may_be_applied_twice(
    make: Make, rows: Rows, update: MakeUpdate, assert_found: AssertNearest
) -> None:
    x, ids = rows(60), np.arange(60)
    stores = make()
    apply(stores, x[:40], ids[:40], update, generation=1, replaces_all=True)
    for store in (stores, make(), stores):
        apply(store, x[40:], ids[40:], update, generation=2, removed=(7,))
    kept = ids != 7
    assert_found(stores[0], x[kept], ids[kept], rows(5, seed=9))


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_the_recall_holds_at_any_weights_of_the_parts(
    make: Make, rows: Rows, update: MakeUpdate, weight: float
) -> None:
    count, parts = 2000, (16, 8)
    columns = []
    for length in parts:
        kinds = rows(30, dimension=length, seed=length)
        part = kinds[np.random.default_rng(length).integers(30, size=count)]
        part = part + 0.3 * rows(count, dimension=length, seed=length + 1)
        columns.append(part / np.linalg.norm(part, axis=1, keepdims=True))
    x = np.concatenate(columns, axis=1).astype(np.float32)
    stores = make(parts=parts, probed=60)  # a third of the lists
    apply(stores, x, np.arange(count), update, generation=1, replaces_all=True)
    queries = x[:60] * np.repeat(np.array([1 - weight, weight], np.float32), parts)
    found = stores[0].search(queries, 10)
    exact = np.argsort(-queries @ x.T, axis=1)[:, :10]
    assert found is not None
    shares = [len({*a} & {*b}) / 10 for a, b in zip(found.ids, exact, strict=True)]
    assert np.mean(shares) >= 0.97


@pytest.mark.parametrize("pattern", ["manifest", "*.lists"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("cut", [False, True])
def test_damage_is_noticed(
    pattern: str, share: float, cut: bool, make: Make, rows: Rows, update: MakeUpdate,
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    apply(make(), rows(40), np.arange(40), update, generation=1, replaces_all=True)
    (file,) = (tmp_path / LISTS_FOLDER).glob(pattern)
    data = bytearray(file.read_bytes())
    place = int(share * len(data))
    data[place] ^= 4
    file.write_bytes(data[:place] if cut else data)
    lists, _ = make()
    assert lists.generation is None or lists.search(rows(2), 40) is None
    assert lists.generation is None
    assert f"{tmp_path / LISTS_FOLDER}: cannot be used (" in caplog.text


def test_an_index_goes_to_the_disk_when_it_is_large(
    fill: Callable[..., Index], rows: Rows, add: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """From exact search to the inverted file in memory, to the one on disk, and damaged there."""
    monkeypatch.setattr("slic.search.vectors.MAPPED_FROM", 20)
    monkeypatch.setattr("slic.search.stores.embedded.EXACT_UP_TO", 15)
    monkeypatch.setattr("slic.search.stores.embedded.IN_MEMORY_UP_TO", 40)
    index, queries = fill({"a": rows(10)}), rows(4, seed=9)

    def assert_exact() -> None:
        ids, x = index.all_vectors()
        best = np.argsort(-(queries @ x.T), axis=1)[:, :5]
        assert index.nearest(queries, 5).ids.tolist() == ids[best].tolist()

    files = []
    for name, count in zip("bcdef", (10, 10, 20, 5, 5), strict=True):
        assert_exact()
        add(index, f"{name}.mp4", rows(count, seed=count + ord(name)))
        assert_exact()
        names = {path.name.split("-")[0] for path in index.path.iterdir()}
        files.append(names & {"vectors", "lists"})
    assert files == [{"vectors"}, {"vectors"}, *[{"vectors", "lists"}] * 3]
    assert not list(index.path.glob("*.faiss"))
    index.close()
    for file in (index.path / LISTS_FOLDER).glob("*.lists"):
        file.write_bytes(bytes(file.stat().st_size))
    index = Index.open(index.path)
    with pytest.raises(Exception, match="was damaged while it was searched; search again"):
        index.nearest(queries, 5)
    assert_exact()
    index.close()


def test_an_index_in_a_folder_without_permission_is_in_memory(
    tmp_path: Path, rows: Rows, update: MakeUpdate, assert_found: AssertNearest
) -> None:
    location = StoreLocation(folder=tmp_path, dimension=8, vectors=VectorFile(tmp_path, 8))
    store = EmbeddedStore(location, exact_up_to=10, in_memory_up_to=20)
    x, ids = rows(50), np.arange(50)
    store.apply(update(x, ids, generation=1, replaces_all=True))  # without mapped vectors
    assert_found(store, x, ids, rows(5, seed=9))
    assert not (tmp_path / LISTS_FOLDER).exists()
