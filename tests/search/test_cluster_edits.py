"""Corrections of clusters reach all coarser levels, and levels stay nested."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from slic.errors import LabelError, SearchError
from slic.search import (
    Index,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    label_cluster,
    list_clusters,
    list_labels,
    merge_clusters,
    move_moments,
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


@pytest.mark.parametrize("level", [0, 1])
def test_moving_and_merging_keep_the_nesting(index: Index, level: int) -> None:
    cluster_index(index)
    first, second, *_ = list_clusters(index, level=level)
    ids = cluster_members(index, second.id, level=level)[:1].tolist()
    move_moments(index, ids, first.id, level=level)
    assert cluster_of(index, level=level)[ids[0]] == first.id
    assert len(cluster_members(index, first.id, level=level)) == first.size + 1
    assert_nested(index)
    before = clusters_per_level(index)[level]
    assert merge_clusters(index, [first.id, second.id], level=level) == first.id
    assert len(cluster_members(index, first.id, level=level)) == first.size + second.size
    assert clusters_per_level(index)[level] == before - 1
    assert_nested(index)
    assert sum(cluster.size for cluster in list_clusters(index, level=level)) == 80


def test_all_moments_of_a_cluster_are_labelled(index: Index) -> None:
    cluster_index(index)
    largest = list_clusters(index, level=0)[0]
    assert label_cluster(index, largest.id, "wave", level=0).moments == largest.size
    (again,) = (c for c in list_clusters(index, level=0) if c.id == largest.id)
    assert (again.label, again.label_share) == ("wave", 1.0)
    assert len(list_labels(index)) == largest.size
    assert label_cluster(index, largest.id, None, level=0).moments == largest.size
    assert list_labels(index) == []


def test_what_does_not_exist_is_one_line(index: Index) -> None:
    cluster_index(index)
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        label_cluster(index, 12345, "x")
    with pytest.raises(LabelError, match="printable characters"):
        label_cluster(index, 0, " ")
    with pytest.raises(SearchError, match="at least two clusters"):
        merge_clusters(index, [0, 0])
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        merge_clusters(index, [0, 12345])
    with pytest.raises(SearchError, match="there is no moment 999"):
        move_moments(index, [999], 0, level=0)
