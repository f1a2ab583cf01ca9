"""What search costs and finds.

    python benchmarks/search.py stores --embeddings INDEX --sizes 100000 1000000
    python benchmarks/search.py moments SAMPLE --long-from VIDEOS --encoder E --scratch FOLDER

``stores``: every store on the embeddings of an index, jittered and made many; a process a case.
Build, disk, memory, recall@10 against exact search, and p50/p99 of single queries through
`Index.nearest`, or through the library alone for the peers that are not in the package.

``moments``: ten seconds cut out of a file of half an hour, made of many videos, re-encoded and
searched for in an index of that file; and precision@5 of a sample's test among its training videos.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import faiss
import numpy as np
from av.video.stream import VideoStream

from slic.encoders.encoder import VideoEncoder
from slic.search import Index, create_index, query_from_clip, search, update_index
from slic.search.database import Settings, next_generation
from slic.search.stores.embedded import EmbeddedStore
from slic.videos.catalog import Catalog
from slic.videos.decoding import read_frames, stream_frames

QUERIES = 1000
K = 10
JITTER = 0.3  # length of the random part beside an embedding of length 1
STORES = ("ours", "faiss flat", "faiss hnsw", "usearch", "milvus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    kind = kinds.add_parser("stores")
    kind.set_defaults(run=stores)
    kind.add_argument("--embeddings", type=Path, required=True, metavar="INDEX")
    kind.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    kind.add_argument("--stores", nargs="+", choices=STORES, default=STORES[:3])
    kind.add_argument("--milvus", default="http://127.0.0.1:19530", metavar="ADDRESS")
    kind.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    kind = kinds.add_parser("moments")
    kind.set_defaults(run=moments)
    kind.add_argument("sample", type=Path)
    kind.add_argument("--long-from", type=Path, required=True, metavar="VIDEOS")
    kind.add_argument("--encoder", type=Path, required=True)
    kind.add_argument("--scratch", type=Path, required=True)
    kind.add_argument("--minutes", type=float, default=30.0)
    kind.add_argument("--queries", type=int, default=50)
    arguments = parser.parse_args()
    arguments.run(arguments)


def stores(arguments: argparse.Namespace) -> None:
    """Measure each case in a process of its own."""
    for size in arguments.sizes:
        for store in arguments.stores:
            if arguments.only:
                measure(store, size, arguments.embeddings, arguments.milvus)
                continue
            words = ["--sizes", str(size), "--stores", store, "--milvus", arguments.milvus]
            words += ["--embeddings", str(arguments.embeddings), "--only"]
            subprocess.run([sys.executable, __file__, "stores", *words], check=False)


def jittered(base: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Return ``count`` unit vectors, each beside one of the real ones."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, base.shape[1]), np.float32)
    for start in range(0, count, 65_536):
        part = rows[start : start + 65_536]
        noise = rng.normal(size=part.shape) * JITTER / base.shape[1] ** 0.5
        part[:] = base[rng.integers(len(base), size=len(part))] + noise
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def measure(store: str, size: int, embeddings: Path, milvus: str) -> None:
    """Print one line for one store."""
    base = Index.open(embeddings).all_vectors()[1]
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
        print(
            f"{store:11s} {size:8d} x {base.shape[1]}: write {written:5.1f} s, "
            f"build {built:6.1f} s, reopen {again:5.2f} s, "
            f"disk {disk() / 2**20:5.0f} MiB, memory {held:5.0f} MiB, recall@{K} "
            f"{np.mean([len(set(a) & set(b)) for a, b in zip(found, truth, strict=True)]) / K:.4f},"
            f" p50 {np.percentile(milliseconds, 50):6.2f} ms, "
            f"p99 {np.percentile(milliseconds, 99):6.2f} ms",
            flush=True,
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
    """Ask one query after the other; the first ones warm the caches and are not timed."""
    for query in queries[:20]:
        find(query[None])
    found, milliseconds = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(find(query[None]))
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return found, milliseconds


def fill(folder: Path, x: np.ndarray, store: str) -> None:
    """Write an index of made-up videos of an hour, with these vectors for moments."""
    settings = Settings(
        encoder="-", dimension=x.shape[1], window_seconds=2.0, stride_seconds=1.0, store=store
    )
    index = Index.create(folder, settings)
    hour = 3600
    for start in range(0, len(x), hour):
        with index.database.transaction() as connection:
            number = next_generation(connection)
            video = connection.execute(
                "INSERT INTO videos (root, path, size, mtime_ns, fingerprint, frames, fps, width,"
                " height, seekable, keyframe_gap) VALUES ('/', ?, 1, 1, ?, 90025, 25, 320, 240, 1,"
                " 12)",
                (f"{start}.mp4", str(start)),
            ).lastrowid
            connection.executemany(
                "INSERT INTO moments (id, video_id, number, start_seconds, end_seconds, generation,"
                " vector) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (start + i, video, i, i, i + 2, number, row.tobytes())
                    for i, row in enumerate(x[start : start + hour])
                ),
            )
    index.close()


def opened(folder: Path) -> tuple[Find, Size]:
    """Open the index and let its store follow, which builds it."""
    index = Index.open(folder)
    index.sync_store()

    def find(query: np.ndarray) -> list[int]:
        return list(index.nearest(query, K).ids[0])

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


def moments(arguments: argparse.Namespace) -> None:
    """Find cuts in a long file, and actions among other actors."""
    encoder = VideoEncoder.from_pretrained(arguments.encoder)
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    find_cuts(arguments, encoder)
    find_actions(arguments, encoder)


def find_cuts(arguments: argparse.Namespace, encoder: VideoEncoder) -> None:
    folder = arguments.scratch / "long"
    long_file = folder / "long.mp4"
    if not long_file.exists():
        concatenate(Catalog.from_folder(arguments.long_from), long_file, arguments.minutes)
    started = time.perf_counter()
    index = updated(arguments.scratch / "long-index", encoder, folder)
    seconds = time.perf_counter() - started
    stride = index.settings.stride_seconds
    (video,) = index.videos()
    starts = np.random.default_rng(0).uniform(0, video.duration_seconds - 11, arguments.queries)
    offs, took = [], []
    for number, start in enumerate(starts.tolist()):
        cut = arguments.scratch / f"cut-{number}.mp4"
        frames = read_frames(video.as_video(), cut_places(start), size=(320, 240))
        write_video(cut, frames, quality=30)
        began = time.perf_counter()
        (hit,) = search(index, query_from_clip(index, cut), k=1)
        took.append(time.perf_counter() - began)
        offs.append(abs(hit.best_start_seconds - start))
    right = sum(off <= stride for off in offs)
    print(
        f"cuts of 10 s in {video.duration_seconds / 60:.1f} minutes ({video.moments} moments, "
        f"indexed in {seconds:.0f} s): {right} of {len(offs)} found within one stride of "
        f"{stride:g} s; median off by {np.median(offs):.2f} s; a search takes "
        f"{np.median(took):.2f} s with decoding and embedding the cut",
        flush=True,
    )


def cut_places(start: float, *, fps: float = 25.0) -> range:
    first = round(start * fps)
    return range(first, first + round(10 * fps))


def find_actions(arguments: argparse.Namespace, encoder: VideoEncoder) -> None:
    table = (arguments.sample / "labels.csv").read_text().splitlines()
    rows = [line.split(",") for line in table[1:]]
    label = {row[0].partition("/")[2]: row[1] for row in rows}
    index = updated(arguments.scratch / "train-index", encoder, arguments.sample / "train")
    inverted = EmbeddedStore(
        arguments.scratch / "train-index", index.settings.dimension, exact_up_to=0
    )
    tests = [row[0].partition("/")[2] for row in rows if row[2] == "test"]
    scores = {}
    for kind in ("exact", "inverted file"):
        if kind != "exact":
            index._store = inverted
        right = []
        for test in tests:
            query = query_from_clip(index, arguments.sample / "test" / test)
            hits = search(index, query, k=5)
            right += [label[hit.path] == label[test] for hit in hits]
        scores[kind] = np.mean(right)
    own = [label[row[0].partition("/")[2]] for row in rows if row[2] == "train"]
    chance = np.mean([own.count(label[test]) / len(own) for test in tests])
    told = ", ".join(f"{kind} {score:.3f}" for kind, score in scores.items())
    print(f"precision@5 of {len(tests)} held-out videos: {told}, chance {chance:.3f}", flush=True)


def write_video(path: Path, frames: Iterable[np.ndarray], *, quality: int) -> None:
    """Write H.264 of 25 frames a second; a greater ``quality`` number is a coarser picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(quality)})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def updated(path: Path, encoder: VideoEncoder, videos: Path) -> Index:
    index = create_index(path, encoder)
    update_index(index, Catalog.from_folder(videos))
    return index


def concatenate(catalog: Catalog, path: Path, minutes: float) -> None:
    """Write all videos of a catalog, 320 x 240, one after the other into one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (
        frame
        for video in catalog
        for frame in stream_frames(video, range(video.frames), size=(320, 240))
    )
    part = path.with_suffix(".part.mp4")
    most = round(minutes * 60 * 25)
    write_video(part, (frame for frame, _ in zip(frames, range(most), strict=False)), quality=23)
    shutil.move(part, path)


if __name__ == "__main__":
    main()
