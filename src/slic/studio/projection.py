"""The map of an index: the position of every moment, and the moments inside a lasso.

The map is computed once for each state of the index, in a process of its own, and cached in the
folder of the index. Until then, a preliminary map shows the first two principal components of the
moments, or of a sample of them.
"""

import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt16

from slic.errors import WriteError
from slic.files import atomic_path
from slic.search import Index
from slic.search.parts import Weights, format_weights, vector_factors

MAX_COORDINATE = 65535  # positions are whole numbers from 0 to this
LASSO_CELLS = 1024  # on each side; in one that no edge touches, all points are in or all are out
MAP_FILE = "map.npz"
MAP_FORMAT = 3
MAX_PRELIMINARY_MOMENTS = 20_000
PRELIMINARY_MARGIN = 0.5  # percent of the moments beyond each edge, which are drawn on the edge
PCA_COLUMNS, PCA_STEPS = 8, 8  # of the subspace iteration
MomentIds = Int64[np.ndarray, " n"]


class MomentMap(NamedTuple):
    """The positions of all moments of an index.

    Attributes:
        generation: The state of the index, `Index.generation`.
        ids: Ids of the moments, ascending.
        positions: x and y (upwards), from 0 to ``MAX_COORDINATE``.
    """

    generation: int
    ids: MomentIds
    positions: UInt16[np.ndarray, "n 2"]

    def inside(self, polygon: list[tuple[float, float]]) -> MomentIds:
        """Return the ids of the moments inside a polygon.

        Args:
            polygon: Corners in [0, 1]; corners outside the map are allowed.
        """
        corners = np.array(polygon, dtype=np.float64)
        inside_cell, touched = _cells_inside(corners), _cells_touched(corners)
        x, y = np.minimum(
            self.positions * (LASSO_CELLS / MAX_COORDINATE), LASSO_CELLS - 1
        ).T.astype(np.int32)
        inside, near = inside_cell[y, x], np.flatnonzero(touched[y, x])
        inside[near] = in_polygon(self.positions[near] / MAX_COORDINATE, corners)
        chosen: MomentIds = self.ids[inside]
        return chosen


def _cells_inside(corners: Float64[np.ndarray, "c 2"]) -> Bool[np.ndarray, "y x"]:
    """Return which cells of the map have their centre inside a polygon, row by row."""
    (ax, ay), (bx, by) = corners.T, np.roll(corners, 1, axis=0).T
    centres = (np.arange(LASSO_CELLS) + 0.5) / LASSO_CELLS
    inside = np.zeros((LASSO_CELLS, LASSO_CELLS), bool)
    for row, y in enumerate(centres):
        e = np.flatnonzero((ay > y) != (by > y))
        crossings = np.sort((bx[e] - ax[e]) * (y - ay[e]) / (by[e] - ay[e]) + ax[e])
        inside[row] = (len(e) - np.searchsorted(crossings, centres, side="right")) % 2 == 1
    return inside


def _cells_touched(corners: Float64[np.ndarray, "c 2"]) -> Bool[np.ndarray, "y x"]:
    """Return the cells of the map that an edge of a polygon may touch, and some beside them."""
    touched = np.zeros((LASSO_CELLS + 2, LASSO_CELLS + 2), np.uint8)
    for start, end in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        steps = int(np.ceil(2 * LASSO_CELLS * np.abs(end - start).max())) + 2
        line = np.linspace(start, end, steps) * LASSO_CELLS + 1
        x, y = np.floor(line[((line >= 0) & (line < LASSO_CELLS + 2)).all(axis=1)]).T.astype(int)
        touched[y, x] = 1
    wide: Bool[np.ndarray, "y x"] = cv2.dilate(touched, np.ones((3, 3), np.uint8)) > 0
    return wide[1:-1, 1:-1]


def in_polygon(
    points: Float64[np.ndarray, "n 2"], corners: Float64[np.ndarray, "c 2"]
) -> Bool[np.ndarray, " n"]:
    """Return which points lie inside a polygon, by the even-odd rule.

    A ray to the right of a point inside crosses an odd number of edges.
    """
    x, y = points.T
    inside = np.zeros(len(points), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        crosses = (ay > y) != (by > y)
        # without a division, which overflows for edges that are nearly level
        left = (x - ax) * (by - ay) - (bx - ax) * (y - ay)
        inside ^= crosses & ((left < 0) if by > ay else (left > 0))
    return inside


def sample_of_map(whole: MomentMap, most: int) -> MomentMap:
    """Return a map of at most ``most`` of its moments, always the same ones."""
    if len(whole.ids) <= most:
        return whole
    rows = np.random.default_rng(0).choice(len(whole.ids), most, replace=False)
    rows.sort()
    return MomentMap(whole.generation, whole.ids[rows], whole.positions[rows])


def load_map(folder: Path, generation: int, *, weights: Weights | None = None) -> MomentMap | None:
    """Return the cached map of an index, or None if it has to be computed.

    Args:
        folder: Folder of the index.
        generation: State of the index. A map of another state or format, with other weights, or a
            damaged file counts as none.
        weights: Weights of the parts of a vector; None weights them equally.
    """
    try:
        with (folder / MAP_FILE).open("rb") as file, np.load(file) as stored:
            cached = MomentMap(int(stored["generation"]), stored["ids"], stored["positions"])
            current = int(stored["format"]) == MAP_FORMAT
            current = current and str(stored["weights"]) == format_weights(weights or {})
        same_length = cached.positions.shape == (*cached.ids.shape, 2)
        current = current and same_length and cached.positions.dtype == np.uint16
    except (OSError, EOFError, ValueError, TypeError, KeyError, MemoryError, zlib.error):
        return None
    except zipfile.BadZipFile:  # also a checksum that does not match
        return None
    return cached if current and cached.generation == generation else None


def make_map(
    folder: Path,
    *,
    weights: Weights | None = None,
    seed: int = 0,
) -> MomentMap:
    """Compute the map of an index, and cache it if the folder is writable.

    Args:
        folder: Folder of the index.
        weights: Weights of the parts of a vector; None weights them equally.
        seed: Seed of the projection.

    Raises:
        SearchError: There is no index in the folder, or a weight is invalid.
    """
    # Loads scikit-learn, which takes seconds; only the map's process needs it.
    from slic.report.projection import project_to_plane

    index = Index.open(folder)
    generation = index.generation
    ids, vectors = index.all_vectors()
    factors = vector_factors(index.parts, weights)
    if np.ptp(factors):  # only directions count; the mapped vectors are not copied without need
        vectors *= factors
    index.close()
    unit_square = project_to_plane(vectors, seed=seed)
    positions = (unit_square * MAX_COORDINATE).round().clip(0, MAX_COORDINATE).astype(np.uint16)
    made = MomentMap(generation, ids, positions)
    with suppress(WriteError), atomic_path(folder / MAP_FILE) as path, path.open("wb") as file:
        used = format_weights(weights or {})
        np.savez(file, format=MAP_FORMAT, weights=used, **made._asdict())
    return made


def make_preliminary_map(
    index: Index, ids: MomentIds, *, generation: int, weights: Weights | None = None
) -> MomentMap:
    """Return a map of some moments by PCA: quick, but different groups may overlap.

    Args:
        index: The index.
        ids: The moments to show, at most `MAX_PRELIMINARY_MOMENTS`.
        generation: State of the index that has these moments.
        weights: Weights of the parts of a vector; None weights them equally.

    Raises:
        SearchError: A moment was removed, or a weight is invalid.
    """
    ids = np.sort(ids)
    plane = principal_plane(index.vectors(ids) * vector_factors(index.parts, weights))
    edges = np.array([[0.0], [1.0]]) if len(plane) == 0 else _edges(plane)
    scaled = (plane - edges[0]) / np.maximum(edges[1] - edges[0], 1e-9)
    positions = (scaled.clip(0, 1) * MAX_COORDINATE).round().astype(np.uint16)
    return MomentMap(generation, ids, positions)


def principal_plane(x: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, "n 2"]:
    """Return the coordinates of rows on their first two principal components.

    Subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011) takes milliseconds where a
    full decomposition takes a second. The largest loading of a component is positive, so the map of
    nearly the same rows is nearly the same.
    """
    centred = x - x.mean(axis=0, keepdims=True) if len(x) else x
    columns = min(PCA_COLUMNS, x.shape[1])
    basis = np.random.default_rng(0).standard_normal((x.shape[1], columns)).astype(np.float32)
    for _ in range(PCA_STEPS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0].astype(np.float32)
    _, _, directions = np.linalg.svd(centred @ basis, full_matrices=False)
    loadings = basis @ directions[:2].T
    largest = np.abs(loadings).argmax(axis=0)
    loadings *= np.sign(loadings[largest, range(loadings.shape[1])])
    plane = np.zeros((len(x), 2))
    plane[:, : loadings.shape[1]] = centred @ loadings
    return plane


def _edges(plane: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "2 2"]:
    """Return the lower left and the upper right corner of nearly all points."""
    low, high = np.percentile(plane, [PRELIMINARY_MARGIN, 100 - PRELIMINARY_MARGIN], axis=0)
    flat = high - low < 1e-6  # all equal: in the middle
    return np.stack([np.where(flat, low - 1, low), np.where(flat, high + 1, high)])
