"""Spherical k-means: properties of a finished clustering, and edge cases."""

import numpy as np
import pytest

from slic.clustering.kmeans import KMeans, _fill_empty
from slic.errors import RecipeError, TrainingError


def test_well_separated_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 200)
    x = (10 * np.eye(5)[truth] + rng.normal(size=(200, 5))) * rng.uniform(0.1, 10, (200, 1))
    labels = KMeans(5)(x, seed=1).labels
    assert len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == 5


@pytest.mark.parametrize("seed", range(5))
def test_every_point_is_nearest_to_the_mean_direction_of_its_cluster(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(150, 4))
    labels = KMeans(7, iterations=1000)(x, seed=seed).labels
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    means = np.stack([unit[labels == k].mean(axis=0) for k in range(7)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert (unit @ means.T).argmax(axis=1).tolist() == labels.tolist()


def test_the_seed_decides_the_result() -> None:
    x = np.random.default_rng(0).normal(size=(100, 3))
    first, again, other = (KMeans(9)(x, seed=seed).labels for seed in (3, 3, 4))
    assert first.tolist() == again.tolist() != other.tolist()


def test_as_many_clusters_as_points_and_one_cluster() -> None:
    x = np.random.default_rng(0).normal(size=(20, 6))
    assert sorted(KMeans(20)(x, seed=0).labels.tolist()) == list(range(20))
    assert not KMeans(1)(x, seed=0).labels.any()


def test_copies_make_fewer_clusters() -> None:
    x = np.repeat(np.eye(3), 4, axis=0)
    labels = KMeans(8)(x, seed=0).labels
    assert set(labels.tolist()) == {0, 1, 2}
    assert len(set(zip(labels.tolist(), np.repeat([0, 1, 2], 4).tolist(), strict=True))) == 3


def test_an_empty_cluster_gets_the_farthest_point_of_a_larger_cluster() -> None:
    labels, distance = np.array([0, 0, 0, 1]), np.array([0.1, 0.3, 0.2, 0.9], dtype=np.float32)
    assert _fill_empty(labels, distance, 4).tolist() == [0, 2, 3, 1]


def test_more_clusters_than_embeddings_are_refused() -> None:
    with pytest.raises(TrainingError, match="4 clusters of 3 embeddings"):
        KMeans(4)(np.eye(3), seed=0)


@pytest.mark.parametrize("argument", ["clusters", "iterations"])
def test_arguments_out_of_range_are_refused(argument: str) -> None:
    with pytest.raises(RecipeError, match=f"{argument} is 0, but it must be at least 1"):
        KMeans(**{argument: 0})
