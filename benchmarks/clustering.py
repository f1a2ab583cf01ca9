"""FINCH by number of points: time, memory and recall, against exact search and finch-clust.

K-means is compared with scikit-learn's, with equally many restarts.

Every case is a new process with one thread. Three kinds of points in 128 dimensions:

* ``smooth``: 400 actions in a space of 12 dimensions behind a random network, similar to
  embeddings;
* ``bursts``: clusters of 50 whose centres and members differ in all 128 directions;
* ``noise``: random directions, where only exact search finds first neighbours.

``python benchmarks/clustering.py --plot docs/clustering_growth.svg`` also draws the growth.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import targets
from loglog import write_chart
from targets import Target

WIDTH, LATENT, HIDDEN, ACTIONS = 128, 12, 256, 400
BLOCK = 8192
SIZES = {
    "smooth": (10_000, 30_000, 100_000, 300_000, 1_000_000),
    "bursts": (10_000, 30_000, 100_000, 300_000),
    "noise": (100_000,),
}
ALLOWED = {240_000: (1.0, 1.5), 1_000_000: (10.0, 4.0)}  # minutes on two cores, GB; Kinetics-400
COMPARED = 100_000  # exact and approximate search
PEER = 10_000  # beyond, finch-clust needs tens of GB or another package
CHECKED = 10_000  # points whose neighbours are also searched exactly
MEANS = {10_000: (200, 10), 100_000: (1000, 1)}  # points: clusters and restarts of k-means
KMEANS_BOUNDS = {"sum of cosine distances": 1.02, "CPU time": 1.0, "added memory": 1.0}


def points(kind: str, n: int) -> np.ndarray:
    """Draw points in blocks, to keep the peak memory low."""
    rng = np.random.default_rng(0)
    x = np.empty((n, WIDTH), dtype=np.float32)
    draw = {"smooth": smooth, "bursts": bursts, "noise": noise}[kind](rng, n)
    for start in range(0, n, BLOCK):
        block = x[start : start + BLOCK]
        block[:] = draw(len(block))
    return x


Draw = Callable[[int], np.ndarray]


def smooth(rng: np.random.Generator, n: int) -> Draw:
    del n
    first = rng.normal(size=(LATENT, HIDDEN)) / LATENT**0.5
    second = rng.normal(size=(HIDDEN, WIDTH)) / HIDDEN**0.5
    centres = 1.5 * rng.normal(size=(ACTIONS, LATENT))
    share = rng.dirichlet(np.ones(ACTIONS))

    def draw(count: int) -> np.ndarray:
        place = centres[rng.choice(ACTIONS, count, p=share)]
        place = place + 0.7 * rng.normal(size=place.shape)
        seen: np.ndarray = np.maximum(place @ first, 0.0) @ second
        return seen + 0.05 * rng.normal(size=seen.shape)

    return draw


def bursts(rng: np.random.Generator, n: int) -> Draw:
    centres = rng.normal(size=(n // 50, WIDTH))
    return lambda count: (
        centres[rng.integers(len(centres), size=count)] + rng.normal(size=(count, WIDTH))
    )


def noise(rng: np.random.Generator, n: int) -> Draw:
    del n
    return lambda count: rng.normal(size=(count, WIDTH))


def cluster(kind: str, n: int) -> dict[str, object]:
    """Cluster once, as a round of training does."""
    from slic.clustering.finch import finch

    x = points(kind, n)
    begin = usage()
    hierarchy = finch(x)
    return spent(begin) | {"clusters": hierarchy.clusters, "recall": hierarchy.recalls[0]}


def cluster_with_peer(kind: str, n: int) -> dict[str, object]:
    """Cluster once with finch-clust."""
    warnings.simplefilter("ignore")
    from finch import FINCH

    x = points(kind, n)
    begin = usage()
    clusters = FINCH(x, verbose=False)[1]
    return spent(begin) | {"clusters": tuple(clusters), "recall": None}


def compare(kind: str, n: int) -> dict[str, object]:
    """Cluster exactly, and compare approximate partitions and neighbours with that."""
    from slic.clustering.agreement import adjusted_mutual_information
    from slic.clustering.finch import finch
    from slic.neighbours.exact import nearest_rows
    from slic.neighbours.first import first_neighbours
    from slic.neighbours.rows import paired_distances, unit_rows

    x = points(kind, n)
    begin = usage()
    exact = finch(x, exact_up_to=n)
    measured = spent(begin)
    approximate = finch(x)
    pairs = zip(exact.partitions, approximate.partitions, strict=False)
    checked = np.random.default_rng(1).choice(n, CHECKED, replace=False)
    found = first_neighbours(x).distance[checked]
    unit = unit_rows(x)
    true = nearest_rows(unit[checked], unit, 1, excluded=checked).indices[:, 0]
    nearest = paired_distances(x, checked, true)
    return measured | {
        "clusters": exact.clusters,
        "recall": None,
        "agreement": [adjusted_mutual_information(a, b) for a, b in pairs],
        "checked": float((found <= nearest).mean()),
    }


def k_means(kind: str, n: int) -> dict[str, object]:
    """Cluster once by k-means."""
    from slic.clustering.kmeans import KMeans

    x, (clusters, restarts) = points(kind, n), MEANS[n]
    clusterer = KMeans(clusters, restarts=restarts)
    begin = usage()
    labels = clusterer(x, seed=0).labels
    return spent(begin) | {"clusters": [clusters], "recall": None, "sum": sum_to_means(x, labels)}


def k_means_of_peer(kind: str, n: int) -> dict[str, object]:
    """Do the same with scikit-learn."""
    from sklearn.cluster import KMeans

    from slic.neighbours.rows import unit_rows

    x, (clusters, restarts) = points(kind, n), MEANS[n]
    clusterer = KMeans(clusters, n_init=restarts, random_state=0)
    begin = usage()
    labels = clusterer.fit(unit_rows(x)).labels_
    return spent(begin) | {"clusters": [clusters], "recall": None, "sum": sum_to_means(x, labels)}


def sum_to_means(x: np.ndarray, labels: np.ndarray) -> float:
    """Return the sum of the cosine distances to the mean direction of the cluster."""
    from slic.neighbours.rows import sums_by_label, unit_rows

    sums = sums_by_label(unit_rows(x), labels, k=int(labels.max()) + 1)
    return float(len(x) - np.linalg.norm(sums, axis=1).sum())


def usage() -> tuple[float, float, float]:
    """Return wall and CPU seconds so far, and the peak memory in MiB."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def spent(begin: tuple[float, float, float]) -> dict[str, object]:
    wall, cpu, peak = (after - before for after, before in zip(usage(), begin, strict=True))
    return {"wall": wall, "cpu": cpu, "added": peak, "peak": usage()[2]}


CASES = {
    "slic": cluster,
    "exact": compare,
    "finch-clust": cluster_with_peer,
    "k-means": k_means,
    "scikit-learn": k_means_of_peer,
}


def measure(who: str, kind: str, n: int) -> dict[str, Any]:
    """Run a case in a new process and print it."""
    command = [sys.executable, __file__, "--case", who, kind, str(n)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_thread, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{who}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}"
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shown = ", ".join(f"{count:,}" for count in result["clusters"][:4])
    recall = f"; recall {result['recall']:.3f}" if result["recall"] is not None else ""
    print(
        f"{who:11s} {kind:6s} {n:9,d}: {figures(result)}{recall}; clusters {shown}, ...", flush=True
    )
    return result


def figures(result: dict[str, Any]) -> str:
    return (
        f"{result['cpu']:.1f} CPU-s, {result['wall']:.1f} s, adds {result['added']:.0f} MiB to a "
        f"peak of {result['peak']:.0f} MiB"
    )


def against_peer() -> Target:
    """Compare with finch-clust, which holds the full distance matrix."""
    name = f"clustering {PEER:,}: CPU time of finch-clust over ours"
    ours = measure("slic", "smooth", PEER)
    try:
        peer = measure("finch-clust", "smooth", PEER)
    except RuntimeError as error:
        print(error, flush=True)
        return targets.not_run(name, str(error))
    return Target(
        name=name,
        ours=figures(ours),
        peer=figures(peer),
        value=peer["cpu"] / ours["cpu"],
        bound=1.0,
        at_least=True,
    )


def against_scikit_learn(n: int) -> list[Target]:
    """Compare k-means with scikit-learn's; ratios, ours over theirs."""
    clusters, restarts = MEANS[n]
    ours, theirs = (measure(who, "smooth", n) for who in ("k-means", "scikit-learn"))
    values = {
        "sum of cosine distances": ours["sum"] / theirs["sum"],
        "CPU time": ours["cpu"] / theirs["cpu"],
    }
    if n == max(MEANS):  # with few points, drawing them takes more than clustering them
        values["added memory"] = ours["added"] / max(theirs["added"], 1.0)
    return [
        Target(
            name=f"k-means {n:,}, {clusters:,} clusters, best of {restarts}: {what}, ours over "
            "scikit-learn's",
            ours=f"{figures(ours)}, sum {ours['sum']:.1f}",
            peer=f"{figures(theirs)}, sum {theirs['sum']:.1f}",
            value=value,
            bound=KMEANS_BOUNDS[what],
            at_least=False,
        )
        for what, value in values.items()
    ]


def against_exact(kind: str, exact: dict[str, Any]) -> list[Target]:
    """Compare approximate neighbours and partitions with the exact ones."""
    levels = ", ".join(f"{ami:.3f}" for ami in exact["agreement"][:4])
    print(
        f"  {kind}: approximate partitions agree with exact ones, finest first: AMI {levels}, ..."
    )
    judged = {
        f"recall of first neighbours, {CHECKED:,} points": exact["checked"],
        "AMI with the exact finest partition": exact["agreement"][0],
    }
    return [
        Target(
            name=f"clustering {COMPARED:,} ({kind}): {what}",
            ours=f"{value:.4f}",
            peer=f"exact search: {figures(exact)}",
            value=value,
            bound=0.98,
            at_least=True,
        )
        for what, value in judged.items()
    ]


def within_limits(n: int, result: dict[str, Any]) -> list[Target]:
    """Compare CPU time and peak memory with their limits."""
    minutes, gigabytes = ALLOWED[n]
    peak = result["peak"] * 2**20 / 1e9
    judged = {
        "CPU-minutes": (result["cpu"] / 60, minutes),
        "peak GB, data and libraries in it": (peak, gigabytes),
    }
    return [
        Target(
            name=f"clustering {n:,}: {what}",
            ours=f"{figures(result)}, recall {result['recall']:.3f}",
            peer=f"{bound:g}",
            value=value,
            bound=bound,
            at_least=False,
        )
        for what, (value, bound) in judged.items()
    ]


def growth(results: dict[int, dict[str, Any]]) -> Target:
    """Return the growth exponent of the CPU time over the sizes with approximate search."""
    least, most = COMPARED, max(results)
    ratio = results[most]["cpu"] / results[least]["cpu"]
    return Target(
        name=f"clustering {least:,} to {most:,}: exponent of the growth",
        ours=f"{ratio:.1f} x the CPU time for {most / least:g} x the points",
        peer="linear 1, exact search 2",
        value=math.log(ratio) / math.log(most / least),
        bound=1.2,
        at_least=False,
    )


def scale(sizes: list[int]) -> None:
    """Cluster growing collections; print the exponent of the growth between two sizes."""
    before: tuple[int, float] | None = None
    for n in sizes:
        cpu = measure("slic", "smooth", n)["cpu"]
        if before is not None:
            exponent = math.log(cpu / before[1]) / math.log(n / before[0])
            print(f"  {before[0]:,} to {n:,}: n to the power of {exponent:.2f}", flush=True)
        before = n, cpu


def draw(file: Path, results: dict[str, dict[int, dict[str, Any]]], exact: dict[str, Any]) -> None:
    """Plot CPU time against points; the guides meet the figures at ``COMPARED``."""
    most = max(results["smooth"])
    linear = results["smooth"][COMPARED]["cpu"]
    write_chart(
        file,
        {kind: [(n, one["cpu"]) for n, one in sizes.items()] for kind, sizes in results.items()},
        title="FINCH of n points in 128 dimensions",
        x_name="points",
        y_name="CPU-seconds",
        guides={
            "linear": [(COMPARED, linear), (most, linear * most / COMPARED)],
            "exact search": [
                (COMPARED, exact["cpu"]),
                (most, exact["cpu"] * (most / COMPARED) ** 2),
            ],
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, metavar="FILE", help="append the targets to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the growth as SVG")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--scale", nargs="+", type=int, metavar="N", help="cluster N points only")
    options = parser.parse_args()
    if options.scale:
        scale(options.scale)
        return
    if options.case:
        who, kind, n = options.case
        print(json.dumps(CASES[who](kind, int(n))))
        return
    targets.append([against_peer()], options.targets)
    results = {kind: {n: measure("slic", kind, n) for n in SIZES[kind]} for kind in SIZES}
    exact = {kind: measure("exact", kind, COMPARED) for kind in ("smooth", "bursts")}
    allowed = {n: results["smooth"].get(n) or measure("slic", "smooth", n) for n in ALLOWED}
    rows = [row for n, result in allowed.items() for row in within_limits(n, result)]
    rows += [growth(results["smooth"])]
    rows += [row for n in MEANS for row in against_scikit_learn(n)]
    rows += [row for kind, result in exact.items() for row in against_exact(kind, result)]
    targets.append(rows, options.targets)
    if options.plot:
        draw(options.plot, results, exact["smooth"])
    print("\n".join(f"{row.name}: {row.value:.3g}, {row.verdict}" for row in rows))


if __name__ == "__main__":
    main()
