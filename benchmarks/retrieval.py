"""Exact retrieval at scale, against a dense matrix of similarities and against scikit-learn.

Every case is a new process with one thread, to measure its memory; CPU-seconds are medians of 5.
The last case searches a gallery of a million videos with 2 % of 100,000 queries (all of them with
``--queries 100000``), and with a tenth of that: its memory must not grow with the queries.
Run ``python benchmarks/retrieval.py``.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import targets
from targets import Target

WIDTH, LABELS, RUNS = 128, 400, 5
QUERIES, GALLERY = 2_000, 20_000
MILLION, SLICE = 1_000_000, 2_000
RECALL_AT = (1, 5, 10, 20, 50)
Sides = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def sides(queries: int, gallery: int) -> Sides:
    """Draw unit vectors around one direction per label, and the labels."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((LABELS, WIDTH), dtype=np.float32)
    labels = rng.integers(0, LABELS, queries + gallery)
    x = rng.standard_normal((queries + gallery, WIDTH), dtype=np.float32)
    for start in range(0, len(x), 4096):  # temporary arrays would hide later peaks
        block = slice(start, start + 4096)
        x[block] = 2.0 * x[block] + centres[labels[block]]
        x[block] /= np.linalg.norm(x[block], axis=1, keepdims=True)
    return x[:queries], labels[:queries], x[queries:], labels[queries:]


def recall_of(order: np.ndarray, q_labels: np.ndarray, g_labels: np.ndarray) -> list[float]:
    match = g_labels[order] == q_labels[:, None]
    return [float(match[:, :k].any(axis=1).mean()) for k in RECALL_AT]


def ours(*, average_precision: bool) -> Callable[[Sides], list[float]]:
    from slic.evaluation.retrieval import evaluate

    def score(drawn: Sides) -> list[float]:
        q, q_labels, g, g_labels = drawn
        scores = evaluate(
            q,
            [str(label) for label in q_labels],
            g,
            [str(label) for label in g_labels],
            ks=RECALL_AT,
            average_precision=average_precision,
        )
        precision = [scores.mean_average_precision] * average_precision
        return [*scores.recall.values(), *precision]

    return score


def dense_recall(drawn: Sides) -> list[float]:
    """Hold all similarities and take the 50 nearest of each row."""
    q, q_labels, g, g_labels = drawn
    similarity = q @ g.T
    nearest = np.argpartition(-similarity, 50, axis=1)[:, :50]
    inside = np.argsort(-np.take_along_axis(similarity, nearest, axis=1), axis=1)
    return recall_of(np.take_along_axis(nearest, inside, axis=1), q_labels, g_labels)


def dense_precision(drawn: Sides) -> list[float]:
    """Hold all similarities and sort every row."""
    q, q_labels, g, g_labels = drawn
    order = np.argsort(-(q @ g.T), axis=1)
    match = g_labels[order] == q_labels[:, None]
    precision = match.cumsum(axis=1) / np.arange(1, match.shape[1] + 1)
    average = (precision * match).sum(axis=1) / np.maximum(match.sum(axis=1), 1)
    return [*recall_of(order[:, :50], q_labels, g_labels), float(average.mean())]


def brute_force(drawn: Sides) -> list[float]:
    """Search with scikit-learn; it works in chunks of rows."""
    from sklearn.neighbors import NearestNeighbors

    q, q_labels, g, g_labels = drawn
    index = NearestNeighbors(n_neighbors=50, algorithm="brute", metric="cosine").fit(g)
    return recall_of(index.kneighbors(q, return_distance=False), q_labels, g_labels)


CASES: dict[str, Callable[[], Callable[[Sides], list[float]]]] = {
    "slic, R@k": lambda: ours(average_precision=False),
    "dense, R@k": lambda: dense_recall,
    "scikit-learn, R@k": lambda: brute_force,
    "slic, R@k and mAP": lambda: ours(average_precision=True),
    "dense, R@k and mAP": lambda: dense_precision,
}


def measure(case: str, queries: int, gallery: int, runs: int) -> None:
    """Print CPU-seconds, added MiB and the scores as JSON."""
    score, drawn = CASES[case](), sides(queries, gallery)
    score(sides(20, 200))  # warms up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(runs):
        start = time.process_time()
        figures = score(drawn)
        times.append(time.process_time() - start)
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([statistics.median(times), added, figures]))


class Cost(NamedTuple):
    """CPU-seconds of a case, MiB beyond the data, and the scores."""

    seconds: float
    added: float
    figures: list[float]


def in_process(case: str, queries: int, gallery: int, runs: int) -> Cost:
    words = [sys.executable, __file__, "--only", case, *map(str, (queries, gallery, runs))]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    cost = Cost(*json.loads(done.stdout))
    print(
        f"{case:19s} {queries:7,d} x {gallery:9,d}: {cost.seconds:8.2f} CPU-s, "
        f"adds {cost.added:6.0f} MiB; R@1 {100 * cost.figures[0]:.2f}",
        flush=True,
    )
    return cost


def against_peers() -> list[Target]:
    results = {case: in_process(case, QUERIES, GALLERY, RUNS) for case in CASES}
    rows = []
    for case, peer in (
        ("slic, R@k", "dense, R@k"),
        ("slic, R@k", "scikit-learn, R@k"),
        ("slic, R@k and mAP", "dense, R@k and mAP"),
    ):
        mine, its = results[case], results[peer]
        assert np.allclose(mine.figures, its.figures, atol=1e-3), "both are exact: they must agree"
        rows.append(
            Target(
                name=f"retrieval, {QUERIES:,} in {GALLERY:,}: {case} against {peer}",
                ours=f"{mine.seconds:.2f} CPU-s, {mine.added:.0f} MiB",
                peer=f"{its.seconds:.2f}, {its.added:.0f} MiB",
                value=its.seconds / mine.seconds,
                bound=1.0,
                at_least=True,
            )
        )
    return rows


def million(queries: int) -> list[Target]:
    """Measure a few of 100,000 queries. The unit vectors are held beside the given ones."""
    some, few = (in_process("slic, R@k", n, MILLION, 1) for n in (queries, queries // 10))
    per_query = (some.seconds - few.seconds) / (queries - queries // 10)
    minutes = (few.seconds + (100_000 - queries // 10) * per_query) / 60
    print(
        f"a million videos: {1000 * per_query:.1f} CPU-ms a query, so 100,000 queries take "
        f"{minutes:.0f} CPU-minutes; the dense matrix would be {4e5 * MILLION / 2**30:.0f} GiB"
    )
    return [
        Target(
            name=f"memory of retrieval in {MILLION:,}, {queries:,} queries ({queries / 1e3:.0f} %)",
            ours=f"adds {some.added:.0f} MiB; 100,000 queries take {minutes:.1f} CPU-minutes",
            peer=f"{few.added:.0f} MiB with a tenth of the queries",
            value=some.added / few.added,
            bound=1.2,
            at_least=False,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=SLICE, help="of the million (2,000)")
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    parser.add_argument("--only", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        case, *numbers = arguments.only
        with threadpool_limits(1):
            measure(case, *map(int, numbers))
        return
    targets.append([*against_peers(), *million(arguments.queries)], arguments.targets)


if __name__ == "__main__":
    main()
