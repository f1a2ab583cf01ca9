"""The map of an index: the position of every moment, and the moments inside a lasso.

The map is computed once for each state of the index, in a process of its own, and cached in the
folder of the index.
"""

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Int64, UInt16

from slic.errors import WriteError
from slic.files import atomic_path
from slic.search import Index
from slic.search.parts import Weights, format_weights, vector_factors

MAX_COORDINATE = 65535  # positions are whole numbers from 0 to this
LASSO_SIDE_PIXELS = 4096
MAP_FILE = "map.npz"
MAP_FORMAT = 3
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
        corners = np.array(polygon, dtype=np.float64).clip(-1, 2) * (LASSO_SIDE_PIXELS - 1)
        picture = np.zeros((LASSO_SIDE_PIXELS, LASSO_SIDE_PIXELS), np.uint8)
        cv2.fillPoly(picture, [corners.round().astype(np.int32)], 1)
        x, y = (self.positions.astype(np.int64) * (LASSO_SIDE_PIXELS - 1) // MAX_COORDINATE).T
        chosen: MomentIds = self.ids[picture[y, x] > 0]
        return chosen


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
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
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
    vectors *= vector_factors(index.parts, weights)
    index.close()
    unit_square = project_to_plane(vectors, seed=seed)
    positions = (unit_square * MAX_COORDINATE).round().clip(0, MAX_COORDINATE).astype(np.uint16)
    made = MomentMap(generation, ids, positions)
    with suppress(WriteError), atomic_path(folder / MAP_FILE) as path, path.open("wb") as file:
        used = format_weights(weights or {})
        np.savez(file, format=MAP_FORMAT, weights=used, **made._asdict())
    return made
