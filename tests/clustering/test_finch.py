"""FINCH against its definition, the authors' numbers, and an independent package."""

import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import pairwise_distances

import slic.clustering.finch as module
from slic.clustering.agreement import adjusted_mutual_information
from slic.clustering.finch import FINCH, Hierarchy, finch
from slic.errors import EmbeddingsError, RecipeError, SlicError, TrainingError
from slic.neighbours import approximate
from slic.neighbours.first import first_neighbours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it misses an optional package, which it says on import
    from finch import FINCH as FINCH_PACKAGE


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Compare partitions, not the numbers of their clusters."""
    joint = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(joint) == len(set(a.tolist())) == len(set(b.tolist()))


def slow_finch(x: np.ndarray) -> list[np.ndarray]:
    """Cluster with dense matrices: every link, its length, and the cut of long ones."""

    def links(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = pairwise_distances(points, metric="cosine")
        np.fill_diagonal(d, np.inf)
        near = np.eye(len(points)) + np.eye(len(points))[d.argmin(axis=1)]
        times = near @ near.T  # 2 for mutual neighbours, 1 for the other links
        np.fill_diagonal(times, 0)
        np.fill_diagonal(d, 0)
        return times > 0, d * times

    linked, length = links(x)
    longest = length.max()
    partitions = [connected_components(linked)[1]]
    while True:
        labels = partitions[-1]
        count = labels.max() + 1
        linked, length = links(np.stack([x[labels == c].mean(axis=0) for c in range(count)]))
        merged = connected_components(linked & (length <= longest))[1]
        merges = count - merged.max() - 1
        if merged.max() == 0 or merges == 0:
            return partitions
        partitions.append(merged[labels])
        if merges == 1:
            return partitions


def sample(seed: int) -> np.ndarray:
    """Return points of a random number and width, with and without clusters."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(3, 300)), int(rng.integers(2, 16))
    kinds = [
        rng.normal(size=(n, d)),
        rng.uniform(size=(n, d)),
        2 * rng.normal(size=(8, d))[rng.integers(0, 8, n)] + rng.normal(size=(n, d)),
    ]
    return kinds[seed % 3].astype(np.float32)


@pytest.mark.parametrize("seed", range(15))
def test_the_longest_link_is_that_of_plain_loops(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With equal points, points without direction, and groups of more points than a block."""
    monkeypatch.setattr(module, "GROUP_BLOCK_POINTS", 3)
    x, rng = sample(seed), np.random.default_rng(seed)
    x[rng.integers(len(x), size=len(x) // 3)] = x[0]
    x[rng.integers(len(x), size=len(x) // 8)] = 0
    neighbours = first_neighbours(x)
    distance = np.clip(pairwise_distances(x.astype(np.float64), metric="cosine"), 0, 2)
    distance[np.ix_(~x.any(axis=1), ~x.any(axis=1))] = 0
    longest = 0.0
    for a, b in combinations(range(len(x)), 2):
        first = neighbours.index
        times = int(first[a] == b) + int(first[b] == a) + int(first[a] == first[b])
        longest = max(longest, times * distance[a, b])
    assert module._longest_link(x, neighbours) == pytest.approx(longest, abs=1e-6)


@pytest.mark.parametrize("seed", range(15))
def test_every_partition_is_that_of_the_definition(seed: int) -> None:
    x = sample(seed)
    ours, slow = finch(x).partitions, slow_finch(x)
    assert len(ours) == len(slow)
    assert all(same_partition(a, b) for a, b in zip(ours, slow, strict=True))


def test_hubs_of_many_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_BLOCK_POINTS", 3)
    for seed in range(12):
        ours, slow = finch(sample(seed)).partitions, slow_finch(sample(seed))
        assert len(ours) == len(slow)
        assert all(same_partition(a, b) for a, b in zip(ours, slow, strict=True))


def test_approximate_partitions_are_nearly_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "MAX_LIST_POINTS", 20)
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(800, 10)), 10, axis=0) + 0.1 * rng.normal(size=(8000, 10))
    exact, found = finch(x), finch(x, exact_up_to=500)
    assert set(exact.recalls) == {None}
    measured = [recall for recall in found.recalls if recall is not None]
    assert len(measured) > 1  # the means of clusters are searched the same way
    assert min(measured) >= approximate.MIN_SAMPLE_RECALL
    levels = zip(exact.partitions[:2], found.partitions[:2], strict=True)
    assert all(adjusted_mutual_information(a, b) > 0.97 for a, b in levels)


@pytest.mark.parametrize("name", ["blobs_300x16", "blobs_1200x32", "uniform_500x8"])
def test_every_partition_is_that_of_the_authors_code(name: str, shared: Path) -> None:
    truth = np.load(shared / "reference" / "finch_partitions.npz")
    hierarchy = finch(truth[f"{name}_x"])
    assert list(hierarchy.clusters) == truth[f"{name}_num"].tolist()
    for labels, expected in zip(hierarchy.partitions, truth[f"{name}_labels"].T, strict=True):
        assert same_partition(labels, expected)


@pytest.mark.parametrize("seed", range(15))
def test_every_partition_is_that_of_the_package(seed: int) -> None:
    """The package cuts no link (it keeps zeros in a sparse matrix, which still link), so neither
    do we here; and it leaves out a last partition that has only one cluster less."""
    x = sample(seed)
    theirs, clusters, _ = FINCH_PACKAGE(x)
    ours = finch(x, early_exit=False)
    for labels, expected in zip(ours.partitions, theirs.reshape(len(x), -1).T, strict=False):
        assert same_partition(labels, expected)
    more = ours.clusters[len(clusters) :]
    assert list(ours.clusters[: len(clusters)]) == list(clusters)
    assert more in ((), (clusters[-1] - 1,))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60))
def test_partitions_are_nested_and_have_no_singletons(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))[rng.integers(0, n, n)]  # with copies
    hierarchy = finch(x)
    for finer, coarser in zip(hierarchy.partitions, hierarchy.partitions[1:], strict=False):
        pairs = set(zip(finer.tolist(), coarser.tolist(), strict=True))
        assert len(pairs) == finer.max() + 1  # a finer cluster lies in one coarser
        assert coarser.max() < finer.max()
    assert np.bincount(hierarchy.partitions[0]).min() >= 2
    order = rng.permutation(n)
    permuted = finch(x[order])
    if len(np.unique(x, axis=0)) == n:  # ties would go by position
        assert same_partition(permuted.partitions[0], hierarchy.partitions[0][order])


@pytest.mark.parametrize(
    "x", [np.ones((1, 4)), np.eye(2), np.ones((7, 4)), np.zeros((5, 2))], ids=str
)
def test_one_point_two_points_and_points_all_alike_are_one_cluster(x: np.ndarray) -> None:
    hierarchy: Hierarchy = finch(x)
    assert hierarchy.clusters == (1,)
    assert not hierarchy.partitions[0].any()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((0, 3)), TrainingError, "no embeddings"),
        (np.full((1, 3), np.nan), EmbeddingsError, "1 of 1 embeddings"),
    ],
)
def test_no_points_and_values_that_are_not_finite_are_refused(
    x: np.ndarray, error: type[SlicError], message: str
) -> None:
    with pytest.raises(error, match=message):
        finch(x)


def test_the_partition_asked_for_or_the_coarsest() -> None:
    x = np.random.default_rng(0).uniform(size=(300, 8))
    partitions = finch(x).partitions
    assert len(partitions) > 2
    for level in (0, 1, 99):
        pseudo = FINCH(partition=level)(x, seed=0)
        assert pseudo.partition == min(level, len(partitions) - 1)
        assert pseudo.labels.tolist() == partitions[pseudo.partition].tolist()


def test_the_lowest_recall_of_the_levels_used_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    x, two = np.eye(4), np.array([0, 0, 1, 1])
    for recalls, partition, stated in (
        ((None, None), 1, None),
        ((0.992, None), 1, 0.992),
        ((0.995, 0.991), 0, 0.995),
        ((0.995, 0.991), 1, 0.991),
    ):
        found = Hierarchy((np.arange(4), two), recalls)
        monkeypatch.setattr(module, "finch", lambda *_, found=found, **__: found)
        pseudo = FINCH(partition=partition)(x, seed=0)
        assert pseudo.neighbour_recall == pseudo.shifted().neighbour_recall == stated


def test_a_negative_partition_is_refused() -> None:
    with pytest.raises(RecipeError, match="partition is -1, but it must be at least 0"):
        FINCH(partition=-1)


def test_a_hundred_thousand_equal_points_are_not_compared_in_pairs() -> None:
    """As the moments of a black picture are; in pairs it would take hours."""
    x = np.random.default_rng(0).normal(size=(100_300, 8)).astype(np.float32)
    x[300:] = x[0]
    assert finch(x).partitions[0][300:].tolist() == [finch(x).partitions[0][0]] * 100_000
