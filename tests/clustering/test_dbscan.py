"""DBSCAN, against its definition in plain loops."""

import numpy as np
import pytest

from slic.clustering.dbscan import DBSCAN


def mixture(seed: int) -> np.ndarray:
    """Draw three dense directions among scattered points."""
    rng = np.random.default_rng(seed)
    dense = np.repeat(rng.normal(size=(3, 6)), 25, axis=0) + 0.15 * rng.normal(size=(75, 6))
    return np.concatenate([dense, rng.normal(size=(25, 6))])


def distances(x: np.ndarray) -> np.ndarray:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    apart: np.ndarray = 1.0 - unit @ unit.T
    return apart


@pytest.mark.parametrize("epsilon", [0.02, 0.08, 0.3])
def test_clusters_are_connected_core_points_and_what_they_reach(epsilon: float) -> None:
    x = mixture(0)
    near = distances(x) <= epsilon
    core = near.sum(axis=1) >= 5
    labels = DBSCAN(epsilon)(x).labels
    reached: dict[int, set[int]] = {}
    for start in np.flatnonzero(core):
        seen, open_points = {int(start)}, [int(start)]
        while open_points:
            new = np.flatnonzero(near[open_points.pop()] & core)
            open_points += [int(point) for point in new if int(point) not in seen]
            seen |= set(map(int, new))
        reached[int(start)] = seen
        assert seen == set(np.flatnonzero(core & (labels == labels[start])).tolist())
    for point in np.flatnonzero(~core):
        homes = {int(labels[other]) for other in np.flatnonzero(near[point] & core)}
        alone = (labels == labels[point]).sum() == 1
        assert int(labels[point]) in homes if homes else alone


@pytest.mark.parametrize("min_samples", [2, 5])
def test_by_default_half_of_the_points_are_core_points(min_samples: int) -> None:
    x = mixture(1)
    own = np.sort(distances(x), axis=1)[:, min_samples - 1]
    epsilon = float(np.median(own))
    assert 45 <= (own <= epsilon).sum() <= 55
    labels = DBSCAN(min_samples=min_samples)(x).labels
    assert labels.tolist() == DBSCAN(epsilon, min_samples=min_samples)(x).labels.tolist()


def test_few_points_and_the_name_in_tables() -> None:
    assert DBSCAN()(np.eye(1)).labels.tolist() == [0]
    assert DBSCAN()(np.eye(3)).clusters == 3
    assert [str(DBSCAN()), str(DBSCAN(0.25))] == ["DBSCAN 5 points", "DBSCAN 0.25, 5 points"]
