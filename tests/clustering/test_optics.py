"""OPTICS: the cosine distances, clusters of different densities, and noise."""

import numpy as np
import pytest
from sklearn import cluster

from slic.clustering.optics import OPTICS


def two_densities(seed: int) -> np.ndarray:
    """Draw a dense and a loose direction, 30 points each, and 10 scattered points."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(8)[:2], 30, axis=0)
    spread = np.repeat([0.01, 0.1], 30)[:, None]
    return np.concatenate([centres + spread * rng.normal(size=(60, 8)), rng.normal(size=(10, 8))])


@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_learns_on_the_matrix_of_cosine_distances(seed: int) -> None:
    x = two_densities(seed)
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32).astype(float)
    matrix = np.clip(1.0 - unit @ unit.T, 0.0, 2.0)
    np.fill_diagonal(matrix, 0.0)
    theirs = cluster.OPTICS(min_samples=5, metric="precomputed").fit(matrix).labels_
    ours = OPTICS(min_samples=5)(x).labels
    noise = theirs == -1
    assert noise.any()
    assert ours[~noise].tolist() == theirs[~noise].tolist()
    assert all((ours == ours[point]).sum() == 1 for point in np.flatnonzero(noise))


def test_clusters_of_different_densities_are_found() -> None:
    labels = OPTICS(min_samples=15)(two_densities(0)).labels
    dense, loose = (np.bincount(part).argmax() for part in (labels[:30], labels[30:60]))
    assert dense != loose
    assert (labels[:30] == dense).sum() > 20
    assert (labels[30:60] == loose).sum() > 20


def test_few_points_and_the_name_in_tables() -> None:
    assert OPTICS()(np.eye(3)).labels.tolist() == [0, 1, 2]
    assert str(OPTICS()) == "OPTICS 10 points"
