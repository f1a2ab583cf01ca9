"""Recall of the embedded store over the weights of two parts of a vector.

    python benchmarks/weights.py
    python benchmarks/weights.py --index INDEX --noise 0.8

The vectors are drawn in clusters, or those of an index of two parts, multiplied by adding noise.
Each moment has one part of one vector and the other part of another, so the parts do not agree.
Compared with exact search are lists of the joined vectors, and combinations of cells (ours).
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np

from slic.search import Index
from slic.search.parts import unit_parts
from slic.search.stores.embedded import PROBED_LISTS, _train_inverted_file

WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
QUERIES, K = 300, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path, help="an index of two parts; default: drawn vectors")
    parser.add_argument("--moments", type=int, default=50_000)
    parser.add_argument("--noise", type=float, default=0.3, help="length of what is added")
    arguments = parser.parse_args()
    base, parts = base_vectors(arguments.index)
    x = mixed(base, parts, arguments.moments, noise=arguments.noise, seed=0)
    queries = mixed(base, parts, QUERIES, noise=arguments.noise, seed=1)
    lengths = tuple(parts.values())
    for name, kinds in (("joined", (x.shape[1],)), ("cells", lengths)):
        started = time.perf_counter()
        store = _train_inverted_file(x, kinds)
        store.add(x)
        recalls = [f"{w:g}: {recall(store, x, queries, lengths, w):.4f}" for w in WEIGHTS]
        print(f"{name:7s} {time.perf_counter() - started:5.1f} s, {PROBED_LISTS} of {store.nlist}"
              f" lists, recall@{K} by weight of the second part:", *recalls)  # fmt: skip


def base_vectors(index: Path | None) -> tuple[np.ndarray, dict[str, int]]:
    """Return vectors of two unit parts, and their lengths."""
    if index:
        opened = Index.open(index)
        return opened.all_vectors()[1], opened.parts
    rng, parts = np.random.default_rng(2), {"first": 128, "second": 128}
    kinds = rng.normal(size=(40, 256))
    drawn = kinds[rng.integers(40, size=900)] + rng.normal(size=(900, 256))
    return unit_parts(drawn, parts), parts


def mixed(
    base: np.ndarray, parts: dict[str, int], count: int, *, noise: float, seed: int
) -> np.ndarray:
    """Return vectors whose parts come from different given ones, with noise."""
    rng = np.random.default_rng(seed)
    columns = np.cumsum([0, *parts.values()])
    drawn = [
        base[rng.integers(len(base), size=count), start:end]
        + rng.normal(size=(count, end - start)) * noise / (end - start) ** 0.5
        for start, end in pairwise(columns)
    ]
    return unit_parts(np.concatenate(drawn, axis=1), parts)


def recall(
    store: faiss.Index, x: np.ndarray, queries: np.ndarray, lengths: tuple[int, ...], weight: float
) -> float:
    """Return the share of the true nearest that the store finds at a weight of the second part."""
    flat = faiss.IndexFlatIP(x.shape[1])
    flat.add(x)
    scaled = queries * np.repeat(np.array([1 - weight, weight], np.float32), lengths)
    found, true = (s.search(np.ascontiguousarray(scaled), K)[1] for s in (store, flat))
    shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True)]
    return float(np.mean(shared)) / K


if __name__ == "__main__":
    main()
