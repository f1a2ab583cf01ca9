"""The tree of clusters.

A moment's ``leaf`` is its cluster in the finest partition. The table ``tree`` holds the cluster of
every leaf on every level, level 0 being the finest. Merges and moves change the tree, so levels
stay nested.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64

from slic.search.repository.rows import as_ids, placeholders


def replace_tree(
    connection: sqlite3.Connection,
    tree: Iterable[tuple[int, int, int]],
    leaves: Iterable[tuple[int, int]],
) -> None:
    """Replace the whole tree.

    Args:
        connection: A connection of the index, in a transaction.
        tree: Leaf, level and cluster, for every leaf on every level.
        leaves: Leaf and moment id, for every moment.
    """
    connection.execute("DELETE FROM tree")
    connection.execute("UPDATE moments SET leaf = NULL WHERE leaf IS NOT NULL")
    connection.executemany("INSERT INTO tree VALUES (?, ?, ?)", tree)
    connection.executemany("UPDATE moments SET leaf = ? WHERE id = ?", leaves)


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
    connection: sqlite3.Connection, moment_ids: Sequence[int], cluster: int, level: int
) -> None:
    """Move moments into another cluster of a level, and so of all coarser levels.

    They get a new leaf, which is a cluster of its own on the finer levels.

    Args:
        connection: A connection of the index, in a transaction.
        moment_ids: The moments to move.
        cluster: The cluster that receives them.
        level: Its level.
    """
    (leaf,) = connection.execute("SELECT max(leaf) + 1 FROM tree").fetchone()
    connection.execute(
        "INSERT INTO tree SELECT ?, level, max(cluster) + 1 FROM tree WHERE level < ?"
        " GROUP BY level",
        (leaf, level),
    )
    connection.executemany(
        "INSERT INTO tree VALUES (?, ?, ?)",
        [(leaf, *above) for above in _ancestors(connection, cluster, level)],
    )
    connection.executemany(
        "UPDATE moments SET leaf = ? WHERE id = ?", [(leaf, int(i)) for i in moment_ids]
    )


def merge_into(
    connection: sqlite3.Connection, kept: int, others: Sequence[int], level: int
) -> None:
    """Merge clusters of a level into one of them, and so their clusters on all coarser levels.

    Args:
        connection: A connection of the index, in a transaction.
        kept: The cluster that receives the leaves.
        others: The clusters that are dissolved.
        level: Their level.
    """
    leaves = connection.execute(
        f"SELECT leaf FROM tree WHERE level = ? AND cluster IN ({placeholders(others)})",
        (level, *others),
    ).fetchall()
    for ancestor_level, cluster in _ancestors(connection, kept, level):
        connection.executemany(
            "UPDATE tree SET cluster = ? WHERE level = ? AND leaf = ?",
            [(cluster, ancestor_level, leaf) for (leaf,) in leaves],
        )


def _ancestors(connection: sqlite3.Connection, cluster: int, level: int) -> list[tuple[int, int]]:
    """Return (level, cluster) of a cluster on its own level and on all coarser levels."""
    rows = connection.execute(
        "SELECT level, cluster FROM tree WHERE level >= ?1 AND leaf ="
        " (SELECT leaf FROM tree WHERE level = ?1 AND cluster = ?2 LIMIT 1)",
        (level, cluster),
    )
    return rows.fetchall()
