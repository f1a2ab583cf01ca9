"""Time and peak memory of FINCH, against finch-clust where it can run; a process a case."""

import argparse
import resource
import subprocess
import sys
import time
import warnings

import numpy as np

WIDTH = 128
SIZES = (10_000, 30_000, 100_000)
PEER_LIMIT = 10_000  # beyond it asks for tens of GB, or for another package


def points(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n // 50, WIDTH))
    spread = rng.normal(size=(n, WIDTH))
    x: np.ndarray = (centres[rng.integers(0, len(centres), n)] + spread).astype(np.float32)
    return x


def measure(who: str, n: int) -> None:
    """Print one line; the memory is what clustering adds to data and imported libraries."""
    if who == "slic":
        from slic.clustering.finch import finch
    else:
        warnings.simplefilter("ignore")
        from finch import FINCH
    x = points(n)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    clusters = list(finch(x).clusters) if who == "slic" else FINCH(x)[1]
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{who:11s} {n:7d} x {WIDTH}: {wall:6.1f} s ({cpu:6.1f} CPU-s), "
        f"peak {after.ru_maxrss / 1024:6.0f} MiB, of it clustering "
        f"{(after.ru_maxrss - before.ru_maxrss) / 1024:6.0f} MiB; clusters {clusters}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", choices=("slic", "finch-clust"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for n in arguments.sizes:
        if arguments.only:
            measure(arguments.only, n)
            continue
        for who in ("slic", "finch-clust"):
            if who == "slic" or n <= PEER_LIMIT:
                command = [sys.executable, __file__, "--only", who, "--sizes", str(n)]
                subprocess.run(command, check=True)
            else:
                print(f"{who:11s} {n:7d} x {WIDTH}: left out, its matrix is {n * n * 4 >> 30} GiB")


if __name__ == "__main__":
    main()
