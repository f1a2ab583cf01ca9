"""Clusters are those of FINCH, their figures those of plain loops."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from slic.clustering.finch import finch
from slic.errors import LabelError, SearchError
from slic.neighbours.rows import normalise
from slic.search import (
    Index,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    label_cluster,
    list_clusters,
    list_labels,
    outliers,
    set_level,
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


def test_the_levels_are_those_of_finch(index: Index) -> None:
    ids, x = index.all_vectors()
    counts = cluster_index(index)
    hierarchy = finch(x)
    assert counts == clusters_per_level(index) == hierarchy.clusters
    for level, labels in enumerate(hierarchy.partitions):
        wanted = {frozenset(ids[labels == k].tolist()) for k in np.unique(labels)}
        assert groups(index, level) == wanted


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
    worst = outliers(index, level=0, limit=3)
    assert [s for _, s in worst] == sorted(s for _, s in worst)


def test_of_many_moments_some_are_clustered_and_the_rest_join(fill: Fill, rows: Rows) -> None:
    middles = rows(4, seed=5)
    noisy = [np.repeat(middles, 25, axis=0) + 0.01 * rows(100, seed=seed) for seed in (1, 2)]
    index = fill({f"{i}.mp4": normalise(x).astype(np.float32) for i, x in enumerate(noisy)})
    cluster_index(index, max_moments=40)
    ids = index.ids()
    for group in groups(index, 0):  # no cluster mixes the four kinds
        kinds = {int(np.flatnonzero(ids == moment)[0]) % 100 // 25 for moment in group}
        assert len(kinds) == 1
    assert len(cluster_of(index)) == 200


def test_the_level_is_that_of_filters_and_lists(index: Index) -> None:
    cluster_index(index)
    levels = clusters_per_level(index)
    assert index.level == min(level for level, k in enumerate(levels) if k <= 50)
    for level in range(len(levels)):
        set_level(index, level)
        largest = list_clusters(index)[0]
        assert largest.level == level
        assert index.matching(f"cluster = {largest.id}").tolist() == sorted(
            cluster_members(index, largest.id).tolist()
        )


def test_what_does_not_exist_is_one_line(fill: Fill, rows: Rows, index: Index) -> None:
    with pytest.raises(SearchError, match="not clustered yet; run `slic cluster"):
        list_clusters(index)
    with pytest.raises(SearchError, match="the index has no moments"):
        cluster_index(fill({"a": rows(0)}, name="empty"))
    cluster_index(index)
    with pytest.raises(SearchError, match="has levels 0 to"):
        set_level(index, 99)
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        cluster_members(index, 12345)


def test_all_moments_of_a_cluster_are_labelled(index: Index) -> None:
    cluster_index(index)
    largest = list_clusters(index, level=0)[0]
    assert label_cluster(index, largest.id, "wave", level=0).moments == largest.size
    (again,) = (c for c in list_clusters(index, level=0) if c.id == largest.id)
    assert (again.label, again.label_share) == ("wave", 1.0)
    assert len(list_labels(index)) == largest.size
    assert label_cluster(index, largest.id, None, level=0).moments == largest.size
    assert list_labels(index) == []


def test_a_correction_of_what_does_not_exist_is_one_line(index: Index) -> None:
    cluster_index(index)
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        label_cluster(index, 12345, "x")
    with pytest.raises(LabelError, match="printable characters"):
        label_cluster(index, 0, " ")
