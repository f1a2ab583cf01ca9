"""The tree of clusters, checked by hand."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from slic.search import Index
from slic.search.repository.clusters import (
    count_clusters,
    merge_into,
    move_to_new_cluster,
    move_to_new_leaf,
    next_change_id,
    replace_tree,
    revert_change,
    select_cluster_of_moments,
    select_members,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


@pytest.fixture
def index(fill: Fill, rows: Rows) -> Iterator[Index]:
    """Return six moments in the leaves 0, 1, 2 (two each); on level 1 leaves 1 and 2 are one."""
    index = fill({"a": rows(6)})
    tree = [(0, 0, 0), (1, 0, 1), (2, 0, 2), (0, 1, 0), (1, 1, 1), (2, 1, 1)]
    with index.database.transaction() as connection:
        replace_tree(connection, tree, [((i - 1) // 2, i) for i in range(1, 7)])
    yield index
    index.close()


def test_members_and_counts(index: Index) -> None:
    with index.database.reading() as connection:
        assert count_clusters(connection) == (3, 2)
        assert select_members(connection, 1, 0).tolist() == [3, 4]
        assert select_members(connection, 1, 1).tolist() == [3, 4, 5, 6]
        assert select_members(connection, 9, 1).tolist() == []
        assert select_cluster_of_moments(connection, 1) == {1: 0, 2: 0, 3: 1, 4: 1, 5: 1, 6: 1}


def test_a_moved_moment_is_a_cluster_of_its_own_on_finer_levels(index: Index) -> None:
    with index.database.transaction() as connection:
        move_to_new_leaf(connection, 1, [6], 0, 1)
        assert select_members(connection, 0, 1).tolist() == [1, 2, 6]
        assert select_members(connection, 3, 0).tolist() == [6]
        assert count_clusters(connection) == (4, 2)
        move_to_new_leaf(connection, 2, [1, 2], 1, 0)  # leaf 0 has no moments left
        assert select_cluster_of_moments(connection, 0) == {1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 3}
        assert count_clusters(connection) == (3, 2)


def test_a_merge_reaches_all_coarser_levels(index: Index) -> None:
    with index.database.transaction() as connection:
        merge_into(connection, 1, 0, [2], 0)
        assert select_members(connection, 0, 0).tolist() == [1, 2, 5, 6]
        assert select_members(connection, 0, 1).tolist() == [1, 2, 5, 6]
        assert count_clusters(connection) == (2, 2)


def test_a_new_cluster_divides_the_finer_ones(index: Index) -> None:
    with index.database.transaction() as connection:
        assert move_to_new_cluster(connection, 1, [4, 5, 6], 1, beside=1) == 2
        assert select_cluster_of_moments(connection, 1) == {1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 2}
        assert select_cluster_of_moments(connection, 0) == {1: 0, 2: 0, 3: 1, 4: 3, 5: 4, 6: 4}
        revert_change(connection, 1)
        assert select_cluster_of_moments(connection, 0) == {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2}


def test_a_copy_of_a_moved_moment_keeps_its_cluster_after_undo(index: Index) -> None:
    with index.database.transaction() as connection:
        move_to_new_leaf(connection, 1, [6], 0, 1)
        connection.execute(  # as when another file of the same content is indexed
            "INSERT INTO moments SELECT 7, video_id, 99, start_seconds, end_seconds, generation,"
            " leaf, vector FROM moments WHERE id = 6"
        )
        revert_change(connection, 1)
        assert select_members(connection, 0, 1).tolist() == [1, 2, 7]
        assert select_members(connection, 1, 1).tolist() == [3, 4, 5, 6]


def test_an_index_without_the_table_of_changes_gets_it(index: Index) -> None:
    with index.database.transaction() as connection:
        connection.execute("DROP TABLE cluster_changes")
        merge_into(connection, next_change_id(connection), 0, [2], 0)
        connection.execute("DROP TABLE cluster_changes")
        replace_tree(connection, [(0, 0, 0)], [(0, 1)])


def test_clustering_again_replaces_everything(index: Index) -> None:
    with index.database.transaction() as connection:
        move_to_new_leaf(connection, 1, [6], 0, 1)
        replace_tree(connection, [(0, 0, 0)], [(0, 1)])
        assert connection.execute("SELECT * FROM cluster_changes").fetchall() == []
        assert select_cluster_of_moments(connection, 0) == {1: 0}
        assert count_clusters(connection) == (1,)
