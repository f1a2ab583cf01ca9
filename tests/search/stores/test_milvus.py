"""A Milvus collection in partitions, its address, and a server that does not answer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search.repository import IndexSettings
from slic.search.stores import StoreUpdate, VectorStore, open_store
from slic.search.stores.milvus_address import parse_milvus_address
from tests.search.stores import test_base

Rows = Callable[..., np.ndarray]
MakeUpdate = Callable[..., StoreUpdate]
AssertNearest = Callable[..., None]


def open_milvus(folder: Path, address: str, identity: str) -> VectorStore:
    settings = IndexSettings(
        encoder="",
        vectors={"embedding": 8},
        window_seconds=1.0,
        stride_seconds=1.0,
        store=address,
        identity=identity,
    )
    return open_store(folder, settings)


@pytest.mark.soak
def test_a_server_that_starts_again_has_the_collection_or_is_filled_again(
    tmp_path: Path, milvus_server: Callable[[Path], AbstractContextManager[str]], rows: Rows,
    update: MakeUpdate, assert_found: AssertNearest,
) -> None:  # fmt: skip
    """It is the first test with a server: two do not run beside each other."""
    x, ids, queries = rows(30), np.arange(30), rows(4, seed=9)
    with milvus_server(tmp_path / "data") as address:
        if not address:
            pytest.skip("no Milvus server of our own starts here")
        store = open_milvus(tmp_path, f"{address}?partitions=2", "again")
        store.apply(update(x, ids, generation=7, replaces_all=True))
        assert_found(store, x, ids, queries)
    with pytest.raises(SearchError, match=r"the Milvus server failed"):
        store.search(queries, 5)  # it is down: one line
    with milvus_server(tmp_path / "data") as address:
        if not address:
            pytest.skip("no Milvus server of our own starts here")
        store = open_milvus(tmp_path, f"{address}?partitions=2", "again")
        if store.generation is None:  # the packaged server does not keep it: 2.3.5, stopped
            store.apply(update(x, ids, generation=7, replaces_all=True))
        assert store.generation == 7
        assert_found(store, x, ids, queries)
        store.close()


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pymilvus")
    with pytest.raises(
        SearchError, match=r"http://127\.0\.0\.1:9: the Milvus server failed"
    ) as error:
        open_milvus(tmp_path, "http://127.0.0.1:9?partitions=4", "down")
    assert "\n" not in str(error.value)


def test_an_address_says_how_a_collection_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIC_MILVUS_TOKEN", "user:secret")
    monkeypatch.setenv("SLIC_MILVUS_DATABASE", "archive")
    found = parse_milvus_address("https://host:19530?shards=4&partitions=16&loaded=2&replicas=3")
    assert found.server == "https://host:19530"
    assert (found.shards, found.partitions, found.loaded, found.replicas) == (4, 16, 2, 3)
    assert (found.token, found.database) == ("user:secret", "archive")
    assert "secret" not in repr(found)
    assert parse_milvus_address("http://host:19530").loaded is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://me:secret@host:1", r"http://…@host:1: an index would store the password"),
        ("http://host:1?shard=4", r"http://host:1: there is no option 'shard'"),
        ("http://host:1?shards=0", r"shards=0 is not a number from 1 to 16"),
        ("http://host:1?partitions=many", r"partitions=many is not a number"),
        ("http://host:1?loaded=99999999999999999999", r"is not a number from 1 to 1024"),
    ],
)
def test_an_address_with_a_mistake_is_refused(address: str, reason: str) -> None:
    with pytest.raises(SearchError, match=reason) as error:
        parse_milvus_address(address)
    assert "secret" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        "?partitions=4&shards=2",
        pytest.param("?partitions=3&loaded=2", marks=pytest.mark.soak),  # loading takes seconds
    ],
)
def test_partitions_answer_as_one_collection_and_exact_search(
    options: str, tmp_path: Path, milvus: str, rows: Rows, update: MakeUpdate,
    assert_found: AssertNearest, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("slic.search.stores.milvus.IDS_PER_PARTITION_TURN", 5)
    x, ids, queries = rows(90), np.arange(100, 190), rows(4, seed=9)
    identity = f"t{len(options)}"
    store = open_milvus(tmp_path, milvus + options, identity)
    store.apply(update(x[:60], ids[:60], generation=3, replaces_all=True))
    assert_found(store, x[:60], ids[:60], queries)
    store.apply(update(x[:0], ids[:0], generation=4, replaces_all=False, removed=(103, 150)))
    kept = np.setdiff1d(np.arange(60), [3, 50])
    assert_found(store, x[kept], ids[kept], queries)  # a removal alone shows at once
    store.apply(update(x[60:], ids[60:], generation=5, replaces_all=False))
    kept = np.setdiff1d(np.arange(90), [3, 50])
    again = open_milvus(tmp_path, milvus, identity)  # the partitions are those of the collection
    assert again.generation == 5
    for opened in (store, again):
        assert_found(opened, x[kept], ids[kept], queries)
        opened.close()


@pytest.fixture
def make_store(milvus: str, request: pytest.FixtureRequest) -> Callable[[Path], VectorStore]:
    """Return a function that opens a collection of the server, a new one for each test."""
    identity = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    return lambda folder: open_milvus(folder, milvus, identity)


test_a_store_follows_what_comes_and_goes = pytest.mark.slow(
    test_base.test_a_store_follows_what_comes_and_goes
)
test_an_index_finds_the_same_in_every_store = pytest.mark.slow(
    test_base.test_an_index_finds_the_same_in_every_store
)
