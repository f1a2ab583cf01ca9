"""Indexes of millions of moments: opening, building, memory, recall and latency.

python benchmarks/large_index.py write FOLDER --size 10000000
python benchmarks/large_index.py write FOLDER --size 10000000 --parts 64 64
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from search import HOUR, JITTER, K, base_vectors, jittered
from slic.neighbours.exact import NearestRows, merge_nearest
from slic.sealed import read_sealed
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.search.stores.cells import ListFinder, combinations
from slic.search.stores.disk_lists import PROBED_ON_DISK
from slic.search.stores.disk_manifest import SEAL, unpack_state
from slic.videos.video import Video

BLOCK = 360_000  # moments that are drawn at a time: 100 videos of an hour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["write", "build", "open", "ask", "speed", "codes"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=2_000_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[128])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0])
    parser.add_argument("--codes", nargs="+", default=["SQ8", "SQ6", "SQ4", "PQ32", "RaBitQ"])
    parser.add_argument("--noise", type=float, default=JITTER, help="its length; vectors have 1")
    parser.add_argument("--queries", type=int, default=500)
    arguments = parser.parse_args()
    started = time.perf_counter()
    if arguments.step == "write":
        write(arguments.folder, arguments.size, arguments.parts, arguments.noise)
        print(f"written in {time.perf_counter() - started:.0f} s")
    elif arguments.step == "codes":
        compare_codes(arguments.folder, arguments.codes, arguments.queries, arguments.noise)
    elif arguments.step == "speed":
        measure_speed(arguments.folder, arguments.queries, arguments.noise)
    elif arguments.step == "ask":
        ask(arguments.folder, arguments.weights, arguments.queries, arguments.noise)
    else:
        open_index(arguments.folder)


def drawn(count: int, parts: Sequence[int], *, seed: int, noise: float = JITTER) -> np.ndarray:
    """Return vectors whose parts are near drawn ones, each part near another one."""
    base = base_vectors(None)
    columns = []
    for number, length in enumerate(parts):
        rows = base[:, :length] / np.linalg.norm(base[:, :length], axis=1, keepdims=True)
        columns.append(jittered(rows, count, seed=1000 * number + seed, noise=noise))
    return np.concatenate(columns, axis=1)


def blocks(size: int, parts: Sequence[int], noise: float) -> Iterator[np.ndarray]:
    """Give all vectors in order. Each block has a seed of its own."""
    for number, start in enumerate(range(0, size, BLOCK)):
        yield drawn(min(BLOCK, size - start), parts, seed=10 + number, noise=noise)


def write(folder: Path, size: int, parts: Sequence[int], noise: float) -> None:
    """Write an index of made-up videos of an hour, without a store."""
    settings = IndexSettings(
        encoder="-",
        vectors={f"part{number}": length for number, length in enumerate(parts)},
        window_seconds=2.0,
        stride_seconds=1.0,
    )
    index = Index.create(folder, settings)
    first = 0
    for x in blocks(size, parts, noise):
        with index.database.transaction() as connection:
            for start in range(0, len(x), HOUR):
                video = Video(
                    id=f"{first + start}.mp4", path=Path(f"/{first + start}.mp4"),
                    frames=25 * (HOUR + 1), fps=25.0, width=320, height=240,
                )  # fmt: skip
                state = FileState(size=1, mtime_ns=1, content_id=str(first + start))
                video_id = insert_video(connection, video, root="/", state=state)
                rows = enumerate(x[start : start + HOUR])
                moments = (NewMoment(video_id, i, float(i), i + 2.0, v) for i, v in rows)
                insert_moments(connection, moments)
        first += len(x)
    index.close()


def open_index(folder: Path) -> Index:
    """Time how long a new process takes until vectors and the first answer are there."""
    started = time.perf_counter()
    index = Index.open(folder)
    opened = time.perf_counter() - started
    ids, _ = index.all_vectors()
    mapped = time.perf_counter() - started
    query = np.ones((1, index.settings.dimension), np.float32) / 10
    index.nearest(query, K)
    first = time.perf_counter() - started
    print(
        f"{len(ids):,} moments: opened after {opened:.2f} s, vectors after {mapped:.2f} s, "
        f"first answer after {first:.2f} s; {memory_now()}"
    )
    return index


def truth_of(index: Index, queries: np.ndarray) -> np.ndarray:
    """Return the ids of the exact nearest moments, in blocks."""
    ids, x = index.all_vectors()
    best = NearestRows.none_yet(len(queries))
    for start in range(0, len(ids), 100_000):
        similarity = queries @ x[start : start + 100_000].T
        best = merge_nearest(best, similarity, ids[start : start + 100_000], k=K)
    return best.indices


def ask(folder: Path, weights: Sequence[float], count: int, noise: float) -> None:
    """Measure recall and latency of single queries on one thread, for some weights of a part."""
    index = Index.open(folder)
    parts = list(index.parts.values())
    drawn_queries = drawn(count, parts, seed=1, noise=noise)
    factors = [np.repeat([1 - w, w][: len(parts)], parts).astype(np.float32) for w in weights]
    cases = [drawn_queries * (factor if len(parts) > 1 else 1) for factor in factors]
    for weight, queries in zip(weights, cases, strict=True):
        file = folder / f"truth-{weight}-{count}.npy"
        if not file.exists():
            np.save(file, truth_of(index, queries))
    index.close()
    index = Index.open(folder)
    for weight, queries in zip(weights, cases, strict=True):
        found, milliseconds = timed(index, queries)
        truth = np.load(folder / f"truth-{weight}-{count}.npy")
        right = [len({*a} & {*b}) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
        fast, slow = np.percentile(milliseconds, [50, 99])
        print(
            f"weight {weight}: recall@{K} {np.mean(right) / K:.4f}, p50 {fast:.2f} ms, "
            f"p99 {slow:.2f} ms, most {max(milliseconds):.1f} ms; {memory_now()}",
            flush=True,
        )


def measure_speed(folder: Path, count: int, noise: float) -> None:
    """Print the latency of the first tenth of the queries, which read the disk, and of others."""
    index = Index.open(folder)
    queries = drawn(count, list(index.parts.values()), seed=2, noise=noise)
    costs = []
    for query in queries:
        started = time.perf_counter(), time.thread_time()
        index.nearest(query[None], K)
        costs.append((time.perf_counter() - started[0], time.thread_time() - started[1]))
    for name, part in (("first", slice(count // 10)), ("then", slice(count // 10, None))):
        (p50, cpu50), (p99, cpu99) = 1e3 * np.percentile(costs[part], [50, 99], axis=0)
        print(
            f"{name} {len(costs[part])} queries: p50 {p50:.2f} ms, p99 {p99:.2f} ms; "
            f"of the processor's time p50 {cpu50:.2f} ms, p99 {cpu99:.2f} ms"
        )
    print(memory_now())


def compare_codes(folder: Path, names: Sequence[str], count: int, noise: float) -> None:
    """Print recall before and after exact comparison, and the time to scan, of several codes."""
    index = Index.open(folder)
    ids, x = index.all_vectors()
    state = unpack_state(read_sealed(folder / "lists/manifest", SEAL), tuple(index.parts.values()))
    centres, finder = combinations(state.centres), ListFinder(state.centres)
    queries = drawn(count, list(index.parts.values()), seed=1, noise=noise)
    truth = np.load(folder / f"truth-0.0-{count}.npy")
    lists = [finder.lists(x[start : start + 200_000]) for start in range(0, len(x), 200_000)]
    for name in names:
        made: Any = faiss.index_factory(
            x.shape[1], f"IVF{len(centres)},{name}", faiss.METRIC_INNER_PRODUCT
        )
        made.quantizer.add(centres)
        made.train(x[:: max(1, len(x) // 100_000)])
        for number, own in enumerate(lists):
            part = np.ascontiguousarray(x[200_000 * number :][: len(own)])
            keys = ids[200_000 * number :][: len(own)].copy()
            made.add_core(len(part), *map(faiss.swig_ptr, (part, keys, own)))
        _print_codes(name, made, queries, truth, ids, x)


def _print_codes(
    name: str, made: faiss.IndexIVF, queries: np.ndarray, truth: np.ndarray, ids: np.ndarray,
    x: np.ndarray,
) -> None:  # fmt: skip
    faiss.omp_set_num_threads(1)
    made.nprobe, widths, milliseconds = PROBED_ON_DISK, (10, 40, 100, 200), []
    right = dict.fromkeys(widths, 0)
    for query, true in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = made.search(query[None], widths[-1])[1][0]
        milliseconds.append(1e3 * (time.perf_counter() - started))
        found = found[found >= 0]
        for width in widths:
            some = found[:width]
            exact = x[np.searchsorted(ids, some)] @ query
            right[width] += len({*some[np.argsort(-exact)[:K]].tolist()} & {*true.tolist()})
    shares = ", ".join(f"{right[w] / K / len(queries):.4f} of {w}" for w in widths)
    p50, p99 = np.percentile(milliseconds, [50, 99])
    print(
        f"{name}: {made.code_size} bytes, recall {shares}, scan p50 {p50:.2f} p99 {p99:.2f} ms",
        flush=True,
    )


def timed(index: Index, queries: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Ask one query after the other; the first ones are not left out."""
    found, milliseconds = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(index.nearest(query[None], K).ids[0])
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return np.array(found), milliseconds


def memory_now() -> str:
    """Return the memory of this process: its own, and mapped pages of files that are resident."""
    lines = Path("/proc/self/status").read_text().splitlines()
    size = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if " kB" in line}
    return (
        f"memory {size['RssAnon']:.0f} MiB and {size['RssFile']:.0f} MiB of mapped files, "
        f"at most {size['VmHWM']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
