"""Corrections keep levels nested, and undo restores the exact clusters."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slic.errors import SearchError
from slic.search import (
    Index,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    list_clusters,
    merge_clusters,
    move_moments,
    split_cluster,
    undo_cluster_change,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]
TREE = "SELECT leaf, level, cluster FROM tree ORDER BY level, leaf"


@pytest.fixture
def index(fill: Fill, rows: Rows) -> Index:
    """Return a clustered index of 80 moments."""
    made = fill({f"{i}.mp4": rows(20, seed=i) for i in range(4)})
    cluster_index(made)
    return made


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


def whole_state(index: Index) -> list[Any]:
    """Return the leaf of every moment, and the whole tree."""
    with index.database.reading() as connection:
        leaves = connection.execute("SELECT id, leaf FROM moments ORDER BY id").fetchall()
        return [leaves, connection.execute(TREE).fetchall()]


@pytest.mark.parametrize("level", [0, 1])
def test_moving_and_merging_keep_the_nesting(index: Index, level: int) -> None:
    first, second, *_ = list_clusters(index, level=level)
    ids = cluster_members(index, second.id, level=level)[:1].tolist()
    assert move_moments(index, ids, first.id, level=level).clusters == (first.id,)
    assert cluster_of(index, level=level)[ids[0]] == first.id
    assert len(cluster_members(index, first.id, level=level)) == first.size + 1
    assert_nested(index)
    before = clusters_per_level(index)[level]
    assert merge_clusters(index, [first.id, second.id], level=level).clusters == (first.id,)
    assert len(cluster_members(index, first.id, level=level)) == first.size + second.size
    assert clusters_per_level(index)[level] == before - 1
    assert_nested(index)
    assert sum(cluster.size for cluster in list_clusters(index, level=level)) == 80


@pytest.mark.parametrize("level", [0, 1])
def test_a_split_divides_one_cluster_and_no_other(index: Index, level: int) -> None:
    largest = list_clusters(index, level=level)[0]
    before, coarser = groups(index, level), groups(index, level + 1)
    members = frozenset(cluster_members(index, largest.id, level=level).tolist())
    made = split_cluster(index, largest.id, parts=3, level=level).clusters
    parts = [frozenset(cluster_members(index, c, level=level).tolist()) for c in made]
    assert groups(index, level) == (before - {members}) | set(parts)
    assert frozenset().union(*parts) == members
    assert (made[0], len(parts)) == (largest.id, 3)
    assert sorted(map(len, parts), reverse=True) == [len(part) for part in parts]
    assert groups(index, level + 1) == coarser
    assert_nested(index)


def test_a_split_finds_two_directions(fill: Fill, rows: Rows) -> None:
    x = np.repeat(rows(2, seed=3), 15, axis=0) + 0.02 * rows(30, seed=4)
    index = fill({"a": (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)})
    cluster_index(index)
    while len(clusters := list_clusters(index, level=0)) > 1:
        merge_clusters(index, [c.id for c in clusters], level=0)
    split_cluster(index, clusters[0].id, level=0)
    assert groups(index, 0) == {frozenset(range(1, 16)), frozenset(range(16, 31))}


def test_moments_of_several_clusters_become_a_new_one(index: Index) -> None:
    first, second, third, *_ = list_clusters(index, level=0)
    ids = [
        *cluster_members(index, first.id, level=0).tolist(),
        int(cluster_members(index, second.id, level=0)[0]),
    ]
    (made,) = move_moments(index, [*ids, *ids], None, level=0).clusters
    assert cluster_members(index, made, level=0).tolist() != []
    assert set(cluster_members(index, made, level=0).tolist()) == set(ids)
    assert made not in (first.id, second.id, third.id)
    assert_nested(index)


change = st.tuples(
    st.sampled_from(["merge", "split", "move", "new"]),
    st.integers(0, 2),  # level
    st.lists(st.integers(0, 79), min_size=2, max_size=6, unique=True),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(change, min_size=1, max_size=6), st.integers(1, 6))
def test_undo_restores_the_exact_clusters(
    index: Index, changes: list[tuple[str, int, list[int]]], undone: int
) -> None:
    """Any sequence of corrections, some undone in between, is undone step by step."""
    cluster_index(index)
    states = [whole_state(index)]
    for number, (kind, level, drawn) in enumerate(changes):
        if number == undone:  # undo two, then go on from there
            for _ in range(min(2, len(states) - 1)):
                assert undo_cluster_change(index)
                states.pop()
                assert whole_state(index) == states[-1]
        if apply_change(index, kind, min(level, len(clusters_per_level(index)) - 1), drawn):
            states.append(whole_state(index))
        assert_nested(index)
    for state in reversed(states[:-1]):
        assert undo_cluster_change(index)
        assert whole_state(index) == state
    assert not undo_cluster_change(index)


def apply_change(index: Index, kind: str, level: int, drawn: list[int]) -> bool:
    """Correct the clusters of some moments; False if that is not possible."""
    ids = [index.ids().tolist()[position] for position in drawn]
    assigned = cluster_of(index, level=level)
    try:
        if kind == "merge":
            merge_clusters(index, [assigned[i] for i in ids], level=level)
        elif kind == "split":
            split_cluster(index, assigned[ids[0]], parts=len(ids), level=level)
        else:
            target = assigned[ids[0]] if kind == "move" else None
            move_moments(index, ids[1:], target, level=level)
    except SearchError:
        return False
    return True


def test_only_the_last_change_is_undone(index: Index) -> None:
    first, second, third, *_ = list_clusters(index, level=0)
    one = merge_clusters(index, [first.id, second.id], level=0)
    two = merge_clusters(index, [first.id, third.id], level=0)
    with pytest.raises(SearchError, match="only the last change can be undone"):
        undo_cluster_change(index, change_id=one.id)
    assert undo_cluster_change(index, change_id=two.id)
    assert undo_cluster_change(index, change_id=one.id)
    assert len(list_clusters(index, level=0)) == clusters_per_level(index)[0]


def test_an_older_index_is_corrected_and_undone(index: Index) -> None:
    with index.database.transaction() as connection:
        connection.execute("DROP TABLE cluster_changes")
    before = whole_state(index)
    again = Index.open(index.path)
    assert not undo_cluster_change(again)
    split_cluster(again, list_clusters(again)[0].id)
    assert whole_state(again) != before
    assert undo_cluster_change(again)
    assert whole_state(again) == before


def test_what_cannot_be_corrected_is_one_line(index: Index, fill: Fill, rows: Rows) -> None:
    with pytest.raises(SearchError, match="at least two clusters"):
        merge_clusters(index, [0, 0])
    with pytest.raises(SearchError, match="cluster none: at least two"):
        merge_clusters(index, [])
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        split_cluster(index, 12345)
    with pytest.raises(SearchError, match="there is no such cluster on level"):
        merge_clusters(index, [0, 12345])
    for parts in (1, 81):
        with pytest.raises(SearchError, match=f"cannot be split into {parts} parts"):
            split_cluster(index, list_clusters(index)[0].id, parts=parts)
    with pytest.raises(SearchError, match="No moment to move"):
        move_moments(index, [], None)
    with pytest.raises(SearchError, match="there is no moment 999"):
        move_moments(index, [999], None)
    equal = fill({"a": np.repeat(rows(1), 4, axis=0)}, name="equal")
    cluster_index(equal)
    with pytest.raises(SearchError, match="all equal"):
        split_cluster(equal, list_clusters(equal)[0].id)
    late = fill({"b": rows(1, seed=9)}, name="equal")
    with pytest.raises(SearchError, match="newer than the clusters"):
        move_moments(late, late.ids()[-1:].tolist(), None)
