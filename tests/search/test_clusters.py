"""Clusters are those of FINCH, and corrections keep the levels nested."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from slic.clustering.finch import finch
from slic.errors import SearchError
from slic.search import (
    Index,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    label_cluster,
    list_clusters,
    list_labels,
    merge,
    move,
    near_duplicates,
    outliers,
    show_level,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


@pytest.fixture
def index(fill: Fill, rows: Rows) -> Index:
    return fill({f"{i}.mp4": rows(20, seed=i) for i in range(4)})


def groups(index: Index, level: int) -> set[frozenset[int]]:
    """Return the clusters of a level as sets of moments."""
    found = defaultdict(set)
    for moment, cluster in cluster_of(index, level=level).items():
        found[cluster].add(moment)
    return {frozenset(group) for group in found.values()}


def assert_nested(index: Index) -> None:
    for level, _ in pairwise(range(len(clusters_per_level(index)))):
        for fine in groups(index, level):
            assert sum(fine <= coarse for coarse in groups(index, level + 1)) == 1


def test_the_levels_are_those_of_finch(index: Index) -> None:
    ids, x = index.all_vectors()
    told = cluster_index(index)
    hierarchy = finch(x)
    assert told == clusters_per_level(index) == hierarchy.clusters
    for level, labels in enumerate(hierarchy.partitions):
        wanted = {frozenset(ids[labels == k].tolist()) for k in np.unique(labels)}
        assert groups(index, level) == wanted
    assert_nested(index)


def test_sizes_coherence_and_medoids_by_loops(index: Index) -> None:
    cluster_index(index)
    sizes = []
    for cluster in list_clusters(index, level=0):
        ids = [m for m, c in cluster_of(index, level=0).items() if c == cluster.id]
        x = index.vectors(ids)
        mean = x.sum(axis=0) / np.linalg.norm(x.sum(axis=0))
        assert cluster.size == len(ids)
        assert cluster.coherence == pytest.approx(float((x @ mean).mean()), abs=1e-5)
        assert x[ids.index(cluster.medoid)] @ mean == pytest.approx((x @ mean).max())
        members = cluster_members(index, cluster.id, level=0).tolist()
        assert (members[0], sorted(members)) == (cluster.medoid, ids)
        sizes.append(cluster.size)
    assert sizes == sorted(sizes, reverse=True)
    worst = outliers(index, level=0, most=3)
    assert [s for _, s in worst] == sorted(s for _, s in worst)


def test_of_many_moments_some_are_clustered_and_the_rest_join(fill: Fill, rows: Rows) -> None:
    middles = rows(4, seed=5)
    noisy = [np.repeat(middles, 25, axis=0) + 0.01 * rows(100, seed=seed) for seed in (1, 2)]
    index = fill({f"{i}.mp4": x.astype(np.float32) for i, x in enumerate(noisy)})
    cluster_index(index, most=40)
    ids = index.ids()
    for group in groups(index, 0):  # no cluster mixes the four kinds
        kinds = {int(np.flatnonzero(ids == moment)[0]) % 100 // 25 for moment in group}
        assert len(kinds) == 1
    assert len(cluster_of(index)) == 200


@pytest.mark.parametrize("level", [0, 1])
def test_moving_and_merging_keep_the_nesting(index: Index, level: int) -> None:
    cluster_index(index)
    first, second, *_ = list_clusters(index, level=level)
    ids = cluster_members(index, second.id, level=level)[:1].tolist()
    move(index, ids, first.id, level=level)
    assert cluster_of(index, level=level)[ids[0]] == first.id
    assert len(cluster_members(index, first.id, level=level)) == first.size + 1
    assert_nested(index)
    before = clusters_per_level(index)[level]
    assert merge(index, [first.id, second.id], level=level) == first.id
    assert len(cluster_members(index, first.id, level=level)) == first.size + second.size
    assert clusters_per_level(index)[level] == before - 1
    assert_nested(index)
    assert sum(cluster.size for cluster in list_clusters(index, level=level)) == 80


def test_naming_a_cluster_and_showing_another_level(index: Index) -> None:
    cluster_index(index)
    show_level(index, 0)
    largest = list_clusters(index)[0]
    assert label_cluster(index, largest.id, "wave").moments == largest.size
    again = next(cluster for cluster in list_clusters(index) if cluster.id == largest.id)
    assert (again.label, again.label_share) == ("wave", 1.0)
    assert len(list_labels(index)) == largest.size
    assert index.matching(f"cluster = {largest.id}").tolist() == sorted(
        cluster_members(index, largest.id).tolist()
    )


def test_near_duplicates_are_pairs_of_files(fill: Fill, rows: Rows) -> None:
    x = rows(6)
    index = fill({"a": x, "b": np.concatenate([rows(3, seed=8), x[2:4]]), "c": rows(5, seed=9)})
    (pair,) = near_duplicates(index, threshold=0.99)
    first, second = index.moments([pair.first, pair.second])
    assert (first.path, second.path) == ("a", "b")
    assert second.number - first.number == 1
    assert pair.similarity == pytest.approx(1.0)


def test_what_is_not_there_is_one_line(index: Index) -> None:
    with pytest.raises(SearchError, match="not clustered yet"):
        list_clusters(index)
    cluster_index(index)
    with pytest.raises(SearchError, match="has the levels 0 to"):
        show_level(index, 99)
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        label_cluster(index, 12345, "x")
    with pytest.raises(SearchError, match="at least two clusters"):
        merge(index, [0])
    with pytest.raises(SearchError, match="there is no moment 999"):
        move(index, [999], 0, level=0)
