"""The tree of clusters.

A moment's ``leaf`` is its cluster in the finest partition. The table ``tree`` holds the cluster of
every leaf on every level, level 0 being the finest. Merges, moves and splits change the tree, so
levels stay nested. Whatever they replace is kept in ``cluster_changes``, for undo.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64

from slic.search.repository.rows import as_ids, placeholders
from slic.search.repository.schema import create_cluster_changes

TreeRow = tuple[int, int, int]
"""Leaf, level and cluster."""


def replace_tree(
    connection: sqlite3.Connection,
    tree: Iterable[TreeRow],
    leaves: Iterable[tuple[int, int]],
) -> None:
    """Replace the whole tree, and forget the changes of the old one.

    Args:
        connection: A connection of the index, in a transaction.
        tree: Leaf, level and cluster, for every leaf on every level.
        leaves: Leaf and moment id, for every moment.
    """
    create_cluster_changes(connection)
    connection.execute("DELETE FROM cluster_changes")
    connection.execute("DELETE FROM tree")
    connection.executemany("INSERT INTO tree VALUES (?, ?, ?)", tree)
    # The index on leaves is made again in one go: rows in their order are written once each.
    connection.execute("DROP INDEX IF EXISTS moment_of_leaf")
    of_moment = {moment: leaf for leaf, moment in leaves}
    connection.create_function("leaf_of_moment", 1, of_moment.get, deterministic=True)
    connection.execute("UPDATE moments SET leaf = leaf_of_moment(id)")
    connection.create_function("leaf_of_moment", 1, None)
    connection.execute("CREATE INDEX moment_of_leaf ON moments (leaf)")


def count_clusters(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return the number of clusters of every level that have a moment, finest first."""
    rows = connection.execute(
        "SELECT count(DISTINCT t.cluster) FROM tree t"
        " WHERE t.leaf IN (SELECT leaf FROM moments) GROUP BY t.level ORDER BY t.level"
    )
    return tuple(count for (count,) in rows)


def select_cluster_of_moments(connection: sqlite3.Connection, level: int) -> dict[int, int]:
    """Return the cluster on a level of every clustered moment, by moment id."""
    rows = connection.execute(
        "SELECT m.id, t.cluster FROM moments m JOIN tree t ON t.leaf = m.leaf AND t.level = ?"
        " ORDER BY m.id",
        (level,),
    )
    return dict(rows.fetchall())


def select_members(
    connection: sqlite3.Connection, cluster: int, level: int
) -> Int64[np.ndarray, " m"]:
    """Return the moments of a cluster, ids ascending; none if it does not exist."""
    rows = connection.execute(
        "SELECT m.id FROM moments m JOIN tree t ON t.leaf = m.leaf"
        " WHERE t.level = ? AND t.cluster = ? ORDER BY m.id",
        (level, cluster),
    )
    return as_ids(rows)


def move_to_new_leaf(
    connection: sqlite3.Connection,
    change_id: int,
    moment_ids: Sequence[int],
    cluster: int,
    level: int,
) -> None:
    """Move moments into another cluster of a level, and so of all coarser levels.

    They get a new leaf, which is a cluster of its own on the finer levels.

    Args:
        connection: A connection of the index, in a transaction.
        change_id: The change that this is a part of, from `next_change_id`.
        moment_ids: The moments to move.
        cluster: The cluster that receives them.
        level: Its level.
    """
    leaf, free = _free_numbers(connection)
    own = [(leaf, finer, number) for finer, number in free.items() if finer < level]
    above = [(leaf, *ancestor) for ancestor in _ancestors(connection, cluster, level)]
    _write_tree(connection, change_id, [*own, *above])
    _write_leaf(connection, change_id, moment_ids, leaf)


def move_to_new_cluster(
    connection: sqlite3.Connection,
    change_id: int,
    moment_ids: Sequence[int],
    level: int,
    *,
    beside: int,
) -> int:
    """Move moments into a new cluster of a level.

    Finer clusters that have moments inside and outside of it are divided.

    Args:
        connection: A connection of the index, in a transaction.
        change_id: The change that this is a part of, from `next_change_id`.
        moment_ids: The moments to move.
        level: Level of the new cluster.
        beside: A cluster of the level. The new one belongs to the same coarser clusters.

    Returns:
        The new cluster.
    """
    leaf, free = _free_numbers(connection)
    above = dict(_ancestors(connection, beside, level)) | {level: free[level]}
    finer: dict[tuple[int, int | None], int] = {}
    for old_leaf, members in _by_leaf(connection, moment_ids).items():
        before = _clusters_of_leaf(connection, old_leaf, range(level))
        for lower in range(level):
            if (key := (lower, before.get(lower))) not in finer:
                finer[key] = free[lower]
                free[lower] += 1
        below = {lower: finer[lower, before.get(lower)] for lower in range(level)}
        rows = [(leaf, one_level, cluster) for one_level, cluster in (below | above).items()]
        _write_tree(connection, change_id, rows)
        _write_leaf(connection, change_id, members, leaf)
        leaf += 1
    return above[level]


def merge_into(
    connection: sqlite3.Connection, change_id: int, kept: int, others: Sequence[int], level: int
) -> None:
    """Merge clusters of a level into one of them, and so their clusters on all coarser levels.

    Args:
        connection: A connection of the index, in a transaction.
        change_id: The change that this is a part of, from `next_change_id`.
        kept: The cluster that receives the leaves.
        others: The clusters that are dissolved.
        level: Their level.
    """
    leaves = connection.execute(
        f"SELECT leaf FROM tree WHERE level = ? AND cluster IN ({placeholders(others)})",
        (level, *others),
    ).fetchall()
    above = _ancestors(connection, kept, level)
    rows = [(leaf, *ancestor) for (leaf,) in leaves for ancestor in above]
    _write_tree(connection, change_id, rows)


def last_change_id(connection: sqlite3.Connection) -> int | None:
    """Return the id of the last change that was not undone; the table must exist."""
    (last,) = connection.execute(
        "SELECT max(change_id) AS change_id FROM cluster_changes"
    ).fetchone()
    return None if last is None else int(last)


def read_last_change_id(connection: sqlite3.Connection) -> int | None:
    """Return `last_change_id`, or None in an older index, which does not have the table."""
    table = "SELECT 1 FROM sqlite_master WHERE name = 'cluster_changes'"
    return last_change_id(connection) if connection.execute(table).fetchone() else None


def next_change_id(connection: sqlite3.Connection) -> int:
    """Return an id above all others, and create the table of changes where it is missing.

    An id is never reused, even after its change was undone.
    """
    create_cluster_changes(connection)
    microseconds = time.time_ns() // 1000  # below 2**53, the largest integer of JavaScript
    return max((last_change_id(connection) or 0) + 1, microseconds)


def revert_change(connection: sqlite3.Connection, change_id: int) -> None:
    """Restore what a change replaced, and forget the change."""
    rows = connection.execute(
        "SELECT moment_id, leaf, level, cluster FROM cluster_changes WHERE change_id = ?"
        " ORDER BY rowid DESC",
        (change_id,),
    ).fetchall()
    moments = [(leaf, moment) for moment, leaf, _, _ in rows if moment is not None]
    connection.executemany("UPDATE moments SET leaf = ? WHERE id = ?", moments)
    tree = [row[1:] for row in rows if row[0] is None]
    # A copy of a moved moment was added to the index meanwhile: it keeps its leaf.
    connection.executemany(
        "DELETE FROM tree WHERE leaf = ?1 AND level = ?2"
        " AND NOT EXISTS (SELECT 1 FROM moments WHERE leaf = ?1)",
        [(leaf, level) for leaf, level, cluster in tree if cluster is None],
    )
    kept = [row for row in tree if row[2] is not None]
    connection.executemany("INSERT OR REPLACE INTO tree VALUES (?, ?, ?)", kept)
    connection.execute("DELETE FROM cluster_changes WHERE change_id = ?", (change_id,))


def _write_tree(connection: sqlite3.Connection, change_id: int, rows: Sequence[TreeRow]) -> None:
    """Write rows of the tree, and record the previous ones."""
    connection.executemany(
        "INSERT INTO cluster_changes VALUES"
        " (?1, NULL, ?2, ?3, (SELECT cluster FROM tree WHERE leaf = ?2 AND level = ?3))",
        [(change_id, leaf, level) for leaf, level, _ in rows],
    )
    connection.executemany("INSERT OR REPLACE INTO tree VALUES (?, ?, ?)", rows)


def _write_leaf(
    connection: sqlite3.Connection, change_id: int, moment_ids: Sequence[int], leaf: int
) -> None:
    """Give moments a leaf, and record the previous ones."""
    connection.executemany(
        "INSERT INTO cluster_changes SELECT ?, id, leaf, NULL, NULL FROM moments WHERE id = ?",
        [(change_id, int(i)) for i in moment_ids],
    )
    connection.executemany(
        "UPDATE moments SET leaf = ? WHERE id = ?", [(leaf, int(i)) for i in moment_ids]
    )


def _free_numbers(connection: sqlite3.Connection) -> tuple[int, dict[int, int]]:
    """Return the first free leaf, and the first free cluster of every level."""
    (leaf,) = connection.execute("SELECT max(leaf) + 1 FROM tree").fetchone()
    free = connection.execute("SELECT level, max(cluster) + 1 FROM tree GROUP BY level")
    return int(leaf), dict(free.fetchall())


def _by_leaf(
    connection: sqlite3.Connection, moment_ids: Sequence[int]
) -> dict[int | None, list[int]]:
    """Return moments by their leaf; None is the leaf of those that are in no cluster."""
    leaves: defaultdict[int | None, list[int]] = defaultdict(list)
    for moment in moment_ids:
        (leaf,) = connection.execute(
            "SELECT leaf FROM moments WHERE id = ?", (int(moment),)
        ).fetchone()
        leaves[leaf].append(moment)
    return leaves


def _clusters_of_leaf(
    connection: sqlite3.Connection, leaf: int | None, levels: Sequence[int]
) -> dict[int, int]:
    """Return the cluster of a leaf on some levels."""
    rows = connection.execute(
        f"SELECT level, cluster FROM tree WHERE leaf = ? AND level IN ({placeholders(levels)})",
        (leaf, *levels),
    )
    return dict(rows.fetchall())


def _ancestors(connection: sqlite3.Connection, cluster: int, level: int) -> list[tuple[int, int]]:
    """Return (level, cluster) of a cluster on its own level and on all coarser levels."""
    rows = connection.execute(
        "SELECT level, cluster FROM tree WHERE level >= ?1 AND leaf ="
        " (SELECT leaf FROM tree WHERE level = ?1 AND cluster = ?2 LIMIT 1)",
        (level, cluster),
    )
    return rows.fetchall()
