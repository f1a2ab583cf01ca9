"""Every store is held to the same promises, against plain sorting; Milvus as a real server."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.stores import Change, VectorStore, embedded, open_store
from slic.search.stores.embedded import EmbeddedStore

Rows = Callable[..., np.ndarray]
MakeStore = Callable[[Path], VectorStore]

SERVER = """
import sys, time
from milvus import MilvusServer
server = MilvusServer()
server.set_base_dir(sys.argv[1])
server.start()
print(server.listen_port, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a Milvus server of our own."""
    pytest.importorskip("milvus", reason="the Milvus server is packaged for Linux only")
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, str(tmp_path_factory.mktemp("milvus"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    port = ""
    try:
        # It starts in 10 s, or never where another one has its ports.
        ready, _, _ = select.select([server.stdout], [], [], 60)
        port = server.stdout.readline().strip() if ready else ""
        if not port:
            pytest.skip("no Milvus server of our own starts here")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            server.wait(20 if port else 0)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        server.wait()
        server.stdout.close()


@pytest.fixture(params=["exact", "inverted file", pytest.param("milvus", marks=pytest.mark.slow)])
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Return a function that opens a store of 8 numbers, the same again for the same folder."""
    if request.param == "milvus":
        address = request.getfixturevalue("milvus")
        identity = f"t{abs(hash(request.node.nodeid)) % 10**12}"
        settings = IndexSettings(
            encoder="", dimension=8, window_seconds=1.0, stride_seconds=1.0, store=address,
            identity=identity,
        )  # fmt: skip
        return lambda folder: open_store(folder, settings)
    exact_up_to = 10**6 if request.param == "exact" else 10
    return lambda folder: EmbeddedStore(folder, 8, exact_up_to=exact_up_to)


def change(
    x: np.ndarray, ids: np.ndarray, *, generation: int, whole: bool, removed: tuple[int, ...] = ()
) -> Change:
    blocks = [(ids[i : i + 7], x[i : i + 7]) for i in range(0, len(ids), 7)]
    return Change(generation, len(ids), np.array(removed, dtype=np.int64), iter(blocks), whole)


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


def test_a_store_follows_what_comes_and_goes(
    make_store: MakeStore, tmp_path: Path, rows: Rows
) -> None:
    x, ids, queries = rows(60), np.arange(100, 160), rows(5, seed=9)
    store = make_store(tmp_path)
    assert store.generation is None
    store.apply(change(x[:40], ids[:40], generation=3, whole=True))
    assert store.generation == 3
    assert_nearest(store, x[:40], ids[:40], queries)
    store.apply(change(x[40:], ids[40:], generation=5, whole=False, removed=(100, 103, 999)))
    kept = np.setdiff1d(np.arange(60), [0, 3])
    assert store.generation == 5
    assert_nearest(store, x[kept], ids[kept], queries)
    store.save()
    store.close()
    again = make_store(tmp_path)
    if again.generation is not None:  # the exact store keeps nothing: the database gives it again
        assert again.generation == 5
        assert_nearest(again, x[kept], ids[kept], queries)
    again.apply(change(x[:3], ids[:3], generation=9, whole=True))
    assert_nearest(again, x[:3], ids[:3], queries)  # fewer than k
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


def test_the_inverted_file_is_kept_by_generation_and_a_damaged_one_is_made_anew(
    tmp_path: Path, rows: Rows
) -> None:
    x, ids = rows(50), np.arange(50)
    store = EmbeddedStore(tmp_path, 8, exact_up_to=10)
    store.apply(change(x, ids, generation=4, whole=True))
    store.save()
    assert [path.name for path in tmp_path.iterdir()] == ["vectors-4.faiss"]
    store.apply(change(x[:1], np.array([77]), generation=6, whole=False))
    store.save()
    (file,) = tmp_path.iterdir()
    assert file.name == "vectors-6.faiss"
    assert EmbeddedStore(tmp_path, 8, exact_up_to=10).generation == 6
    file.write_bytes(file.read_bytes()[:500])
    assert EmbeddedStore(tmp_path, 8, exact_up_to=10).generation is None


def test_an_inverted_file_looks_through_all_lists_for_more_than_some_hold(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PROBED_LISTS", 1)
    store = EmbeddedStore(tmp_path, 8, exact_up_to=10)
    store.apply(change(rows(100), np.arange(100), generation=1, whole=True))
    assert sorted(store.search(rows(1, seed=3), 100).ids[0].tolist()) == list(range(100))


def test_a_store_that_outgrows_its_form_asks_to_be_filled_anew(tmp_path: Path, rows: Rows) -> None:
    store = EmbeddedStore(tmp_path, 8, exact_up_to=10)
    store.apply(change(rows(8), np.arange(8), generation=1, whole=True))
    store.apply(change(rows(8), np.arange(8, 16), generation=2, whole=False))
    assert store.generation is None
    store.apply(change(rows(16), np.arange(16), generation=2, whole=True))
    assert store.generation == 2
    store.save()
    assert (tmp_path / "vectors-2.faiss").exists()


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pymilvus")
    settings = IndexSettings(
        encoder="", dimension=8, window_seconds=1.0, stride_seconds=1.0, store="http://127.0.0.1:9"
    )
    with pytest.raises(SearchError, match=r"http://127\.0\.0\.1:9: the Milvus server does not"):
        open_store(tmp_path, settings)


def test_a_missing_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill: Callable[..., Index], rows: Rows
) -> None:
    monkeypatch.delitem(sys.modules, "slic.search.stores.embedded")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SearchError, match=r"faiss is not installed: pip install 'slic-video\[sea"):
        fill({"a": rows(3)}).nearest(rows(1), 1)
    assert tmp_path.exists()
