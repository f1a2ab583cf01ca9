"""Cost and recall of the vector stores; every case is a new process.

    python benchmarks/search.py
    python benchmarks/search.py --embeddings INDEX --sizes 100000 1000000

The vectors are those of an index, jittered and multiplied, or drawn in clusters. Measured are build
time, disk, memory, recall@10 against exact search, and p50/p99 of single queries. Our stores are
queried through `Index.nearest`, peers through their library.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np

import targets
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.videos.video import Video
from targets import Target

QUERIES = 1000
K = 10
HOUR = 3600  # moments of a made-up video, one per second
JITTER = 0.3  # length of the noise added to an embedding of length 1
STORES = ("ours", "faiss flat", "faiss hnsw", "usearch", "milvus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--embeddings",
        type=Path,
        metavar="INDEX",
        help="use the embeddings of an index; default: drawn ones",
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000])
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES[:4])
    parser.add_argument("--milvus", default="http://127.0.0.1:19530", metavar="ADDRESS")
    parser.add_argument("--targets", type=Path, metavar="FILE")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for size in arguments.sizes:
        costs = {store: in_process(store, size, arguments) for store in arguments.stores}
        targets.append(judged(size, costs), arguments.targets)


class Cost(NamedTuple):
    """Figures of one store: seconds, MiB, recall, milliseconds."""

    write: float
    build: float
    reopen: float
    disk: float
    memory: float
    recall: float
    median: float
    slow: float


def in_process(store: str, size: int, arguments: argparse.Namespace) -> Cost:
    if arguments.only:
        cost = measure(store, size, base_vectors(arguments.embeddings), arguments.milvus)
        print(json.dumps(cost))
        return cost
    words = ["--sizes", str(size), "--stores", store, "--milvus", arguments.milvus, "--only"]
    words += ["--embeddings", str(arguments.embeddings)] if arguments.embeddings else []
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    cost = Cost(*json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{store:11s} {size:8d}: write {cost.write:5.1f} s, build {cost.build:6.1f} s, "
        f"reopen {cost.reopen:5.2f} s, disk {cost.disk:5.0f} MiB, memory {cost.memory:5.0f} MiB, "
        f"recall@{K} {cost.recall:.4f}, p50 {cost.median:6.2f} ms, p99 {cost.slow:6.2f} ms",
        flush=True,
    )
    return cost


def judged(size: int, costs: dict[str, Cost]) -> list[Target]:
    """Compare latency with exact search, and build time and recall with graph indexes."""
    if "ours" not in costs:
        return []
    mine, rows = costs["ours"], []
    for peer in costs.keys() - {"ours", "milvus"}:
        its = costs[peer]
        exact = peer == "faiss flat"
        rows.append(
            Target(
                name=f"search in {size:,} moments, {'latency' if exact else 'build'}: {peer}",
                ours=_said(mine),
                peer=_said(its),
                value=its.median / mine.median if exact else its.build / mine.build,
                bound=1.0,
                at_least=True,
            )
        )
    return sorted(rows, key=lambda row: row.name)


def _said(cost: Cost) -> str:
    return f"p50 {cost.median:.2f} ms, recall@{K} {cost.recall:.3f}, built in {cost.build:.1f} s"


def base_vectors(index: Path | None) -> np.ndarray:
    """Return the vectors of an index, or drawn ones in clusters."""
    if index:
        return Index.open(index).all_vectors()[1]
    rng = np.random.default_rng(2)
    drawn = rng.normal(size=(40, 128))[rng.integers(40, size=900)] + rng.normal(size=(900, 128))
    base: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return base


def jittered(base: np.ndarray, count: int, *, seed: int, noise: float = JITTER) -> np.ndarray:
    """Return ``count`` unit vectors, each near one of the given ones."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, base.shape[1]), np.float32)
    for start in range(0, count, 65_536):
        part = rows[start : start + 65_536]
        added = rng.normal(size=part.shape) * noise / base.shape[1] ** 0.5
        part[:] = base[rng.integers(len(base), size=len(part))] + added
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def measure(store: str, size: int, base: np.ndarray, milvus: str) -> Cost:
    """Fill one store, query it, and compare with exact search."""
    x, queries = jittered(base, size, seed=0), jittered(base, QUERIES, seed=1)
    truth = exact(x, queries)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        started, before = time.perf_counter(), memory()
        if store in ("ours", "milvus"):
            written = time.perf_counter()
            fill(folder, x, "embedded" if store == "ours" else milvus)
            written, started = time.perf_counter() - written, time.perf_counter()
            find, disk = opened(folder)
        else:
            written = 0.0
            find, disk = PEERS[store](x, folder)
        built = time.perf_counter() - started
        held = memory() - before
        del x
        found, milliseconds = asked(find, queries)
        again = reopened(folder) if store == "ours" else 0.0
        right = [len(set(a) & set(b)) for a, b in zip(found, truth, strict=True)]
        return Cost(
            write=written,
            build=built,
            reopen=again,
            disk=disk() / 2**20,
            memory=held,
            recall=float(np.mean(right)) / K,
            median=float(np.percentile(milliseconds, 50)),
            slow=float(np.percentile(milliseconds, 99)),
        )


Find = Callable[[np.ndarray], list[int]]
Size = Callable[[], int]


def exact(x: np.ndarray, queries: np.ndarray) -> list[list[int]]:
    """Return the true nearest rows, in blocks."""
    flat = faiss.IndexFlatIP(x.shape[1])
    best = [np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)]
    for start in range(0, len(x), 100_000):
        flat.reset()
        flat.add(x[start : start + 100_000])
        similarity, ids = flat.search(queries, K)
        best = [np.hstack([best[0], similarity]), np.hstack([best[1], ids + start])]
    order = np.argsort(-best[0], axis=1, kind="stable")[:, :K]
    truth: list[list[int]] = np.take_along_axis(best[1], order, axis=1).tolist()
    return truth


def asked(find: Find, queries: np.ndarray) -> tuple[list[list[int]], list[float]]:
    """Run queries one by one. The first ones warm the caches and are not timed."""
    for query in queries[:20]:
        find(query[None])
    found, milliseconds = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(find(query[None]))
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return found, milliseconds


def fill(folder: Path, x: np.ndarray, store: str) -> None:
    """Write an index of made-up videos of an hour, with these vectors as moments."""
    settings = IndexSettings(
        encoder="-",
        vectors={"embedding": x.shape[1]},
        window_seconds=2.0,
        stride_seconds=1.0,
        store=store,
    )
    index = Index.create(folder, settings)
    for start in range(0, len(x), HOUR):
        vectors = x[start : start + HOUR]
        video = Video(
            id=f"{start}.mp4", path=Path(f"/{start}.mp4"), frames=25 * (HOUR + 1), fps=25.0,
            width=320, height=240,
        )  # fmt: skip
        state = FileState(size=1, mtime_ns=1, content_id=str(start))
        with index.database.transaction() as connection:
            video_id = insert_video(connection, video, root="/", state=state)
            moments = (NewMoment(video_id, i, float(i), i + 2.0, v) for i, v in enumerate(vectors))
            insert_moments(connection, moments)
    index.close()


def opened(folder: Path) -> tuple[Find, Size]:
    """Open the index and build its store."""
    index = Index.open(folder)
    index.sync_store()

    def find(query: np.ndarray) -> list[int]:
        return list(index.nearest(query, K).ids[0] - 1)  # ids begin at 1, rows at 0

    return find, lambda: sum(file.stat().st_size for file in folder.iterdir())


def reopened(folder: Path) -> float:
    """Return the seconds from opening a finished index to its first answer."""
    started = time.perf_counter()
    index = Index.open(folder)
    index.nearest(np.ones((1, index.settings.dimension), np.float32), K)
    return time.perf_counter() - started


def flat_alone(x: np.ndarray, folder: Path) -> tuple[Find, Size]:
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    return _faiss_peer(index, folder)


def hnsw_alone(x: np.ndarray, folder: Path) -> tuple[Find, Size]:
    index = faiss.IndexHNSWFlat(x.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 80, 128
    index.add(x)
    return _faiss_peer(index, folder)


def _faiss_peer(index: faiss.Index, folder: Path) -> tuple[Find, Size]:
    file = folder / "peer.faiss"
    faiss.write_index(index, str(file))
    faiss.omp_set_num_threads(1)  # as our store does for a single query
    return lambda query: index.search(query, K)[1][0].tolist(), lambda: file.stat().st_size


def usearch_alone(x: np.ndarray, folder: Path) -> tuple[Find, Size]:
    from usearch.index import Index as Peer

    peer = Peer(ndim=x.shape[1], metric="cos", dtype="bf16", expansion_search=128)
    peer.add(np.arange(len(x)), x, threads=faiss.omp_get_max_threads())
    file = folder / "peer.usearch"
    peer.save(str(file))
    return lambda query: peer.search(query[0], K).keys.tolist(), lambda: file.stat().st_size


PEERS: dict[str, Callable[[np.ndarray, Path], tuple[Find, Size]]] = {
    "faiss flat": flat_alone,
    "faiss hnsw": hnsw_alone,
    "usearch": usearch_alone,
}


def memory() -> float:
    """Return the memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
