"""Moving points to the list with the nearest centre.

A division of a division leaves many points in a list that is not the nearest: the cells that a
point did not enter may have nearer lists.
"""

from functools import partial

import numpy as np
from jaxtyping import Float, Float32, Int64

from slic.neighbours.borders import beside_each
from slic.neighbours.lists import nearest_centres
from slic.neighbours.rows import unit_rows
from slic.neighbours.sharded import in_threads

CONSIDERED_LISTS = 32


def settled(
    x: Float[np.ndarray, "n d"], lists: list[Int64[np.ndarray, " _"]]
) -> list[Int64[np.ndarray, " _"]]:
    """Move every point to the nearest mean direction of the lists beside its own.

    Args:
        x: Vectors of any length.
        lists: Lists of rows of ``x``.
    """
    centres = np.concatenate(list(in_threads(partial(_mean_direction, x), lists)))
    near = np.arange(len(lists))[:, None]  # a list is beside itself
    near = np.hstack([near, beside_each(centres, CONSIDERED_LISTS - 1).indices])

    def move(
        one: tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " c"]],
    ) -> Int64[np.ndarray, " m"]:
        points, considered = one
        moved: Int64[np.ndarray, " m"] = considered[nearest_centres(x, centres[considered], points)]
        return moved

    moved = np.concatenate(list(in_threads(move, zip(lists, near, strict=True))))
    points, order = np.concatenate(lists), np.argsort(moved, kind="stable")
    sizes = np.bincount(moved)
    return np.split(points[order], np.cumsum(sizes[sizes > 0])[:-1])


def _mean_direction(
    x: Float[np.ndarray, "n d"], points: Int64[np.ndarray, " m"]
) -> Float32[np.ndarray, "1 d"]:
    return unit_rows(unit_rows(x[points]).sum(axis=0, keepdims=True))
