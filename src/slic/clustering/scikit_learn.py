"""What the clusterings of scikit-learn share.

scikit-learn is imported when a clustering runs, because that takes about a second.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.clustering.base import PseudoLabels
from slic.errors import TrainingError
from slic.neighbours.rows import unit_rows

MAX_POINTS = 20_000
"""Default of ``max_points``."""
BYTES_PER_PAIR = 8


def require_affordable(points: int, *, max_points: int, name: str) -> None:
    """Raise unless the distances of all pairs of points are allowed.

    Args:
        points: Number of embeddings.
        max_points: Largest number that is allowed.
        name: Name of the clustering, for the message.

    Raises:
        TrainingError: There are more points.
    """
    if points > max_points:
        gigabytes = BYTES_PER_PAIR * points**2 / 1e9
        raise TrainingError(
            f"{name} of {points} embeddings: it compares all pairs, which can take "
            f"{gigabytes:.1f} GB and as much more time. It stops at clustering.max_points = "
            f"{max_points}; raise that, or use finch or kmeans."
        )


def directions(x: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d+1"]:
    """Return unit rows with one more column, the direction of zero rows.

    Zero rows are then at distance 0 of each other and at distance 1 of all others.

    Raises:
        EmbeddingsError: Values that are not finite.
    """
    unit = unit_rows(x)
    return np.column_stack([unit, ~unit.any(axis=1)]).astype(np.float32)


def noise_as_singletons(labels: Int[np.ndarray, " n"]) -> PseudoLabels:
    """Return pseudo-labels in which each noise point, marked -1, is a cluster of its own."""
    noise = labels < 0
    own = labels.max(initial=-1) + np.cumsum(noise)
    return PseudoLabels(np.unique(np.where(noise, own, labels), return_inverse=True)[1])
