"""Stores are found by their address: a scheme of the table, or an import path."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.stores import Neighbours, StoreLocation, StoreUpdate, VectorStore, open_store

Rows = Callable[..., np.ndarray]


class NumPyStore:
    """A vector store outside the package: all vectors in memory, exact search."""

    def __init__(self, location: StoreLocation) -> None:
        self.location = location
        self.generation: int | None = None
        self.vectors: dict[int, np.ndarray] = {}

    def apply(self, update: StoreUpdate) -> None:
        if update.replaces_all:
            self.vectors.clear()
        for moment in update.removed.tolist():
            self.vectors.pop(moment, None)
        for ids, vectors in update.added:
            self.vectors |= dict(zip(ids.tolist(), vectors, strict=True))
        self.generation = update.generation

    def save(self) -> None:
        pass

    def search(self, vectors: np.ndarray, k: int) -> Neighbours:
        ids, x = np.array(list(self.vectors)), np.stack(list(self.vectors.values()))
        similarity = vectors @ x.T
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        return Neighbours(ids[order], np.take_along_axis(similarity, order, axis=1))

    def close(self) -> None:
        pass


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the import path of :class:`NumPyStore`."""
    monkeypatch.setitem(sys.modules, "my_stores", sys.modules[NumPyStore.__module__])
    return "my_stores:NumPyStore"


def settings(store: str) -> IndexSettings:
    return IndexSettings(
        encoder="0" * 16,
        vectors={"embedding": 8},
        window_seconds=2.0,
        stride_seconds=1.0,
        store=store,
        identity="me",
    )


def test_a_store_outside_the_package_serves_an_index(
    tmp_path: Path, rows: Rows, add: Callable[..., list[int]], importable: str
) -> None:
    index = Index.create(tmp_path / "index", settings(importable))
    add(index, "a", rows(20))
    queries = rows(3, seed=1)
    order = np.argsort(-(queries @ rows(20).T), axis=1)[:, :5]
    assert index.nearest(queries, 5).ids.tolist() == (order + 1).tolist()
    add(index, "b", queries[:1])
    assert index.nearest(queries[:1], 1).ids.tolist() == [[21]]


def test_what_follows_the_plus_is_the_url_of_the_store(tmp_path: Path, importable: str) -> None:
    store = open_store(tmp_path, settings(f"{importable}+redis://host:1/a+b"))
    assert isinstance(store, NumPyStore)
    assert isinstance(store, VectorStore)
    assert store.location == StoreLocation(
        folder=tmp_path, dimension=8, parts=(8,), url="redis://host:1/a+b", identity="me"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("embeded", r"unknown vector store 'embeded'. Did you mean 'embedded'\?"),
        ("ftp://host", "unknown vector store 'ftp'. .*Known: embedded, http, https"),
        ("no_such_module:Store", "vector store 'no_such_module:Store' cannot be imported"),
    ],
)
def test_an_unknown_store_is_one_line(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        open_store(tmp_path, settings(address))


def test_a_missing_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill: Callable[..., Index], rows: Rows
) -> None:
    monkeypatch.delitem(sys.modules, "slic.search.stores.embedded", raising=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SearchError, match=r"faiss is not installed: pip install 'slic-video\[sea"):
        fill({"a": rows(3)}).nearest(rows(1), 1)
    assert tmp_path.exists()


def test_an_index_does_not_choose_where_its_queries_go(
    tmp_path: Path, rows: Rows, add: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "not_imported_yet:Store+http://127.0.0.1:9"
    made = Index.create(tmp_path / "index", settings(address))
    ids = add(made, "a", rows(3))
    made.close()
    wanted = r"index: the index names the vector store 'not_.*SLIC_STORE=not_.*SLIC_STORE=embedded"
    with pytest.raises(SearchError, match=wanted):
        Index.open(tmp_path / "index").nearest(rows(1), 1)
    with pytest.raises(SearchError, match="names the vector store"):
        Index.open(tmp_path / "index", store="http://127.0.0.1:9").nearest(rows(1), 1)
    monkeypatch.setenv("SLIC_STORE", address)
    with pytest.raises(SearchError, match="cannot be imported"):
        Index.open(tmp_path / "index").nearest(rows(1), 1)
    monkeypatch.setenv("SLIC_STORE", "embedded")
    assert Index.open(tmp_path / "index").nearest(rows(1), 1).ids.tolist() == [ids[:1]]


def test_the_store_that_the_user_named_is_used(
    tmp_path: Path, rows: Rows, importable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Index.create(tmp_path / "index", settings(importable)).close()
    assert isinstance(Index.open(tmp_path / "index", store=importable).sync_store(), NumPyStore)
    monkeypatch.setenv("SLIC_STORE", importable)
    assert isinstance(Index.open(tmp_path / "index").sync_store(), NumPyStore)
    monkeypatch.setenv("SLIC_STORE", "http://127.0.0.1:9")  # an embedded index stays one
    embedded = Index.create(tmp_path / "embedded", settings("embedded"))
    assert len(embedded.nearest(rows(1), 1).ids) == 1
