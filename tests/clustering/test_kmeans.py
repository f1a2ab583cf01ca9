"""Spherical k-means: scikit-learn's, properties of a finished clustering, and edge cases."""

import math

import numpy as np
import pytest
from sklearn.cluster import KMeans as ScikitKMeans

from slic.clustering.kmeans import KMeans, _fill_empty, _seeds
from slic.errors import RecipeError, TrainingError


def test_well_separated_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 200)
    x = (10 * np.eye(5)[truth] + rng.normal(size=(200, 5))) * rng.uniform(0.1, 10, (200, 1))
    labels = KMeans(5)(x, seed=1).labels
    assert len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == 5


def directions(seed: int, n: int) -> np.ndarray:
    """Draw unit rows of 60 overlapping clusters of unequal size in 16 dimensions."""
    rng = np.random.default_rng(seed)
    centres, share = rng.normal(size=(60, 16)), rng.dirichlet(np.ones(60))
    x = centres[rng.choice(60, n, p=share)] + 0.6 * rng.normal(size=(n, 16))
    unit: np.ndarray = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return unit


def objective(x: np.ndarray, labels: np.ndarray) -> float:
    """Sum the cosine distances of unit rows to the mean direction of their cluster."""
    sums = np.stack([x[labels == cluster].sum(axis=0) for cluster in np.unique(labels)])
    return float(len(x) - np.linalg.norm(sums, axis=1).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [10, 60])
def test_the_objective_is_within_2_percent_of_scikit_learns_best_of_10(seed: int, k: int) -> None:
    x = directions(seed, 1500)
    theirs = ScikitKMeans(k, n_init=10, random_state=seed).fit(x).labels_
    assert objective(x, KMeans(k)(x, seed=seed).labels) <= 1.02 * objective(x, theirs)


def test_ten_restarts_are_better_than_one() -> None:
    draws = [directions(seed, 600) for seed in range(5)]
    one, ten = (
        sum(objective(x, KMeans(60, restarts=restarts)(x, seed=0).labels) for x in draws)
        for restarts in (1, 10)
    )
    assert ten < one


def test_a_seed_is_the_drawn_candidate_that_leaves_the_lowest_sum_of_distances() -> None:
    x, k = directions(0, 80), 12
    rng = np.random.default_rng(7)
    seeds = [int(rng.integers(80))]
    while len(seeds) < k:
        nearest = [min(1.0 - float(x[i] @ x[s]) for s in seeds) for i in range(80)]
        cumulated = np.cumsum([0.0 if i in seeds else max(d, 0.0) for i, d in enumerate(nearest)])
        draws = rng.random(2 + int(math.log(k))) * cumulated[-1]
        drawn = [next(i for i in range(80) if cumulated[i] > draw) for draw in draws]
        left = [sum(min(nearest[i], 1.0 - float(x[i] @ x[c])) for i in range(80)) for c in drawn]
        seeds.append(drawn[int(np.argmin(left))])
    assert _seeds(x, k, np.random.default_rng(7)).tolist() == seeds


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


@pytest.mark.parametrize("argument", ["clusters", "iterations", "restarts"])
def test_arguments_out_of_range_are_refused(argument: str) -> None:
    with pytest.raises(RecipeError, match=f"{argument} is 0, but it must be at least 1"):
        KMeans(**{argument: 0})
