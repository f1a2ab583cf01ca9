"""Corrections of clusters by hand: merge, split and move, and the undo of each.

Levels stay nested. A correction of one level reaches the coarser levels, and where it has to, it
divides clusters of the finer ones.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from slic.clustering.kmeans import KMeans
from slic.errors import SearchError
from slic.search.clusters import cluster_factors, cluster_members, cluster_of, resolve_level
from slic.search.index import Index
from slic.search.repository import clusters as cluster_table
from slic.search.repository.schema import create_cluster_changes

KMEANS_RESTARTS = 3
EQUAL_WITHIN = 1e-6  # of every number of a vector


class ClusterChange(NamedTuple):
    """A change of clusters.

    Attributes:
        clusters: The clusters that it made or kept, on the level of the change.
        id: What `undo_cluster_change` takes.
    """

    clusters: tuple[int, ...]
    id: int


def merge_clusters(
    index: Index, cluster_ids: Sequence[int], *, level: int | None = None
) -> ClusterChange:
    """Merge clusters of a level into the first of them, and so on all coarser levels.

    Raises:
        SearchError: Fewer than two different clusters, or one that does not exist.

    Example:
        >>> merge_clusters(index, [3, 7])
        ClusterChange(clusters=(3,), id=1764421231000000)
    """
    level = resolve_level(index, level)
    different = list(dict.fromkeys(cluster_ids))
    if len(different) < 2:
        names = ", ".join(map(str, different)) or "none"
        raise SearchError(f"cluster {names}: at least two clusters are needed for a merge.")
    kept, *others = different
    for cluster in different:
        cluster_members(index, cluster, level=level)  # raises if it does not exist
    with index.database.transaction() as connection:
        change = cluster_table.next_change_id(connection)
        cluster_table.merge_into(connection, change, kept, others, level)
    return ClusterChange((kept,), change)


def split_cluster(
    index: Index, cluster: int, *, parts: int = 2, level: int | None = None, seed: int = 0
) -> ClusterChange:
    """Split a cluster of a level by k-means on the vectors of its moments.

    The largest part keeps the id. Clusters of finer levels that lie in several parts are divided.

    Args:
        index: The index.
        cluster: The cluster.
        parts: Number of parts, at least 2. Moments with equal vectors stay together, so there may
            be fewer.
        level: Its level; None is the level of the index.
        seed: Seed of k-means.

    Raises:
        SearchError: There is no such cluster, or it cannot be split into so many parts.
    """
    level = resolve_level(index, level)
    ids = cluster_members(index, cluster, level=level)
    found = _divide(index, cluster, ids, parts, seed=seed)
    by_size = np.argsort(-np.bincount(found), kind="stable").tolist()
    with index.database.transaction() as connection:
        change = cluster_table.next_change_id(connection)
        made = [
            cluster_table.move_to_new_cluster(
                connection, change, ids[found == part].tolist(), level, beside=cluster
            )
            for part in by_size[1:]
        ]
    return ClusterChange((cluster, *made), change)


def move_moments(
    index: Index,
    moment_ids: Sequence[int],
    cluster: int | None,
    *,
    level: int | None = None,
) -> ClusterChange:
    """Move moments into another cluster of a level, and so on all coarser levels.

    On finer levels they become a cluster of their own.

    Args:
        index: The index.
        moment_ids: The moments; repeated ids count once.
        cluster: The cluster that receives them. None makes a new one, which belongs to the same
            coarser clusters as most of the moments, and keeps their finer clusters apart.
        level: Its level; None is the level of the index.

    Raises:
        SearchError: There is no such cluster or moment, or no moment is given.
    """
    level = resolve_level(index, level)
    ids = list(dict.fromkeys(map(int, moment_ids)))
    if not ids:
        raise SearchError("No moment to move; give at least one.")
    index.moments(ids)  # raises for ids that do not exist
    beside = _cluster_of_most(index, ids, level) if cluster is None else cluster
    cluster_members(index, beside, level=level)
    with index.database.transaction() as connection:
        change = cluster_table.next_change_id(connection)
        if cluster is None:
            made = cluster_table.move_to_new_cluster(connection, change, ids, level, beside=beside)
            return ClusterChange((made,), change)
        cluster_table.move_to_new_leaf(connection, change, ids, cluster, level)
    return ClusterChange((cluster,), change)


def undo_cluster_change(index: Index, *, change_id: int | None = None) -> bool:
    """Undo the last merge, split or move.

    Args:
        index: The index.
        change_id: Undo only if the last change is this one; None undoes whichever it is.

    Returns:
        Whether there was a change to undo.

    Raises:
        SearchError: The last change is another one.
    """
    with index.database.transaction() as connection:
        create_cluster_changes(connection)  # an older index does not have the table
        last = cluster_table.last_change_id(connection)
        if change_id not in (None, last):
            raise SearchError("Clusters have changed since; only the last change can be undone.")
        if last is not None:
            cluster_table.revert_change(connection, last)
    return last is not None


def last_cluster_change(index: Index) -> int | None:
    """Return the id of the last change that was not undone; None if there is none."""
    return index.database.read(cluster_table.read_last_change_id)


def _divide(
    index: Index, cluster: int, ids: Int64[np.ndarray, " m"], parts: int, *, seed: int
) -> Int64[np.ndarray, " m"]:
    """Return the part of every moment, from 0."""
    if not 2 <= parts <= len(ids):
        raise SearchError(
            f"cluster {cluster}: {len(ids)} moments cannot be split into {parts} parts; "
            f"choose from 2 to {len(ids)} parts."
        )
    x = index.vectors(ids) * cluster_factors(index)
    if np.ptp(x, axis=0).max() < EQUAL_WITHIN:
        raise SearchError(f"cluster {cluster}: its moments are all equal, so it cannot be split.")
    labels = KMeans(clusters=parts, restarts=KMEANS_RESTARTS)(x, seed=seed).labels
    return np.asarray(labels, dtype=np.int64)


def _cluster_of_most(index: Index, ids: Sequence[int], level: int) -> int:
    """Return the cluster that most of the moments are in.

    Raises:
        SearchError: None of them is in a cluster.
    """
    assigned = cluster_of(index, level=level)
    counts = Counter(assigned[i] for i in ids if i in assigned)
    if not counts:
        raise SearchError(
            "These moments are newer than the clusters; move them into an existing cluster."
        )
    return counts.most_common(1)[0][0]
