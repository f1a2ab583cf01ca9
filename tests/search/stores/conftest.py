"""Updates of a store, and a comparison with plain sorting."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from slic.search.stores import StoreUpdate, VectorStore

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


@contextmanager
def running_milvus(folder: Path) -> Iterator[str]:
    """Run a Milvus server with its data in a folder, and give its address; empty if none starts."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    port = ""
    try:
        # It starts in 10 s, or never where another one has its ports.
        ready, _, _ = select.select([server.stdout], [], [], 90)
        port = server.stdout.readline().strip() if ready else ""
        yield f"http://127.0.0.1:{port}" if port else ""
    finally:
        server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            server.wait(20 if port else 0)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        server.wait()
        server.stdout.close()


@pytest.fixture(scope="session")
def milvus_server() -> Callable[[Path], AbstractContextManager[str]]:
    """Return :func:`running_milvus`."""
    pytest.importorskip("milvus", reason="the Milvus server is packaged for Linux only")
    return running_milvus


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a Milvus server of our own."""
    pytest.importorskip("milvus", reason="the Milvus server is packaged for Linux only")
    with running_milvus(tmp_path_factory.mktemp("milvus")) as address:
        if not address:
            pytest.skip("no Milvus server of our own starts here")
        yield address
