"""The map: every moment at a place of the plane, moments that look alike close together.

t-SNE places a sample; every other moment lies among the places of its nearest neighbours in the
sample. So the time grows with the number of moments, not with its square. It is computed once for
a state of the index, in a process of its own, and kept beside the index.
"""

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import faiss
import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt16
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from slic.errors import WriteError
from slic.files import atomic_path
from slic.search import Index

SAMPLE = 3000
COMPONENTS = 32
NEIGHBOURS = 4
JITTER = 0.5  # of the gaps in the sample, so that the others fill them
EDGE = 65535  # places are whole numbers from 0 to this
LASSO_SIDE = 4096  # pixels of the picture that a lasso is drawn in
FILE_NAME = "map.npz"


class Map(NamedTuple):
    """Moments, ids ascending, and their places; y upwards."""

    generation: int
    ids: Int64[np.ndarray, " n"]
    places: UInt16[np.ndarray, "n 2"]

    def inside(self, polygon: list[tuple[float, float]]) -> Int64[np.ndarray, " m"]:
        """Return the moments inside a polygon, whose corners are told between 0 and 1."""
        corners = np.array(polygon, dtype=np.float64).clip(-1, 2) * (LASSO_SIDE - 1)
        picture = np.zeros((LASSO_SIDE, LASSO_SIDE), np.uint8)
        cv2.fillPoly(picture, [corners.round().astype(np.int32)], 1)
        x, y = (self.places.astype(np.int64) * (LASSO_SIDE - 1) // EDGE).T
        chosen: Int64[np.ndarray, " m"] = self.ids[picture[y, x] > 0]
        return chosen


def kept_map(folder: Path, generation: int) -> Map | None:
    """Return the map that is kept for a state of the index, if there is one."""
    try:
        with (folder / FILE_NAME).open("rb") as file, np.load(file) as stored:
            found = Map(int(stored["generation"]), stored["ids"], stored["places"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # none yet, or a damaged one: it is made anew
    return found if found.generation == generation else None


def make_map(folder: Path, *, sample: int = SAMPLE, seed: int = 0) -> Map:
    """Compute the map of an index, and keep it there where this user may write."""
    index = Index.open(folder)
    generation = index.generation
    ids, vectors = index.all_vectors()
    index.close()
    made = Map(generation, ids, project(vectors, sample=sample, seed=seed))
    kept = atomic_path(folder / FILE_NAME)
    with suppress(WriteError), kept as path, path.open("wb") as file:
        np.savez(file, generation=generation, ids=made.ids, places=made.places)
    return made


def project(
    vectors: Float32[np.ndarray, "n d"], *, sample: int = SAMPLE, seed: int = 0
) -> UInt16[np.ndarray, "n 2"]:
    """Return the places of unit vectors; the same input and seed give the same map."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(vectors))[:sample])
    if len(chosen) < 3 or np.ptp(vectors[chosen], axis=0).max(initial=0.0) < 1e-6:
        return np.full((len(vectors), 2), EDGE // 2, dtype=np.uint16)
    pca = PCA(min(COMPONENTS, *vectors[chosen].shape), random_state=seed).fit(vectors[chosen])
    drawn = pca.transform(vectors[chosen]).astype(np.float32)
    places = np.empty((len(vectors), 2), np.float32)
    places[chosen] = _unfolded(drawn, seed=seed)
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    if len(others):
        rest = pca.transform(vectors[others]).astype(np.float32)
        places[others] = _among(rest, drawn, places[chosen], rng)
    return _as_whole_numbers(places)


def _unfolded(x: Float32[np.ndarray, "n d"], *, seed: int) -> Float32[np.ndarray, "n 2"]:
    """Return the places of the sample: PCA's when they are few, else t-SNE's from there on."""
    plane = x[:, :2]
    if len(x) >= 12:
        start = 1e-4 * plane / max(float(plane[:, 0].std()), 1e-12)
        perplexity = min(30.0, (len(x) - 1) / 3)
        with threadpool_limits(1):  # on a busy machine its threads wait for each other
            plane = TSNE(init=start, perplexity=perplexity, random_state=seed).fit_transform(x)
    return np.asarray(plane, dtype=np.float32)


def _among(
    x: Float32[np.ndarray, "n d"],
    sample: Float32[np.ndarray, "s d"],
    places: Float32[np.ndarray, "s 2"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "n 2"]:
    """Return places near those of the nearest neighbours in the sample, nearer ones weigh more."""
    squared, near = _nearest(sample, x, NEIGHBOURS)
    first = places[near[:, 0]]
    close = _close(places[near], first, 0.05 * float(np.ptp(places, axis=0).max()))
    weight = np.where(close, 1.0 / (squared + 1e-6), 0.0)  # one far away would pull it to nowhere
    weight /= weight.sum(axis=1, keepdims=True)
    middle = np.einsum("nk,nkc->nc", weight, places[near])
    spacing = np.sqrt(_nearest(places, places, NEIGHBOURS)[0][:, -1])
    noise = rng.standard_normal((len(x), 2)) * (JITTER * spacing[near[:, 0]])[:, None]
    return np.asarray(middle + noise, dtype=np.float32)


def _nearest(
    points: Float32[np.ndarray, "s d"], x: Float32[np.ndarray, "n d"], k: int
) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
    """Return squared distances to the nearest points, and which these are."""
    search = faiss.IndexFlatL2(points.shape[1])
    search.add(np.ascontiguousarray(points))
    squared, near = search.search(np.ascontiguousarray(x), min(k, len(points)))
    return squared, near


def _close(
    near: Float32[np.ndarray, "n k 2"], first: Float32[np.ndarray, "n 2"], reach: float
) -> Bool[np.ndarray, "n k"]:
    close: Bool[np.ndarray, "n k"] = np.linalg.norm(near - first[:, None], axis=2) <= reach
    return close


def _as_whole_numbers(places: Float32[np.ndarray, "n 2"]) -> UInt16[np.ndarray, "n 2"]:
    """Return places that fill the square."""
    low, high = places.min(axis=0), places.max(axis=0)
    share = (places - low) / np.maximum(high - low, 1e-9)
    return np.asarray((share * EDGE).round().clip(0, EDGE), dtype=np.uint16)
