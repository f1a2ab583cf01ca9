"""Clusters corrected by hand: labelled, moments moved, and merged, on every level at once."""

import sqlite3
from collections.abc import Sequence

from slic.errors import SearchError
from slic.search.clusters import cluster_members, level_or_shown, members_of
from slic.search.index import Index
from slic.search.labels import LabelChange, set_label


def label_cluster(
    index: Index, cluster: int, label: str | None, *, level: int | None = None
) -> LabelChange:
    """Label all moments of a cluster, or take their labels away (None).

    Raises:
        SearchError: There is no such cluster, or the label is none.
    """
    return set_label(index, cluster_members(index, cluster, level=level).tolist(), label)


def move(
    index: Index, moment_ids: Sequence[int], cluster: int, *, level: int | None = None
) -> None:
    """Put moments into another cluster of a level, and so of all coarser levels.

    On the finer levels they become a cluster of their own.

    Raises:
        SearchError: There is no such cluster or moment.
    """
    level = level_or_shown(index, level)
    members_of(index, [cluster], level)
    index.vectors(moment_ids)  # refuses ids that are not there
    with index.database.transaction() as connection:
        (leaf,) = connection.execute("SELECT max(leaf) + 1 FROM tree").fetchone()
        connection.execute(
            "INSERT INTO tree SELECT ?, level, max(cluster) + 1 FROM tree WHERE level < ?"
            " GROUP BY level",
            (leaf, level),
        )
        connection.executemany(
            "INSERT INTO tree VALUES (?, ?, ?)",
            [(leaf, *above) for above in _above(connection, cluster, level)],
        )
        connection.executemany(
            "UPDATE moments SET leaf = ? WHERE id = ?", [(leaf, int(i)) for i in moment_ids]
        )


def merge(index: Index, cluster_ids: Sequence[int], *, level: int | None = None) -> int:
    """Make one cluster of several of a level, and so on all coarser levels; return its id.

    Raises:
        SearchError: Fewer than two clusters, or one that is not there.
    """
    level = level_or_shown(index, level)
    kept, *others = dict.fromkeys(cluster_ids)
    if not others:
        raise SearchError(f"cluster {kept}: at least two clusters are needed for a merge.")
    for cluster in cluster_ids:
        members_of(index, [cluster], level)
    with index.database.transaction() as connection:
        marks = ",".join("?" * len(others))
        leaves = connection.execute(
            f"SELECT leaf FROM tree WHERE level = ? AND cluster IN ({marks})", (level, *others)
        ).fetchall()
        for above, target in _above(connection, kept, level):
            connection.executemany(
                "UPDATE tree SET cluster = ? WHERE level = ? AND leaf = ?",
                [(target, above, leaf) for (leaf,) in leaves],
            )
    return kept


def _above(connection: sqlite3.Connection, cluster: int, level: int) -> list[tuple[int, int]]:
    """Return (level, cluster) of a cluster on its own and all coarser levels."""
    rows = connection.execute(
        "SELECT level, cluster FROM tree WHERE level >= ? AND leaf ="
        " (SELECT leaf FROM tree WHERE level = ? AND cluster = ? LIMIT 1)",
        (level, level, cluster),
    )
    return rows.fetchall()
