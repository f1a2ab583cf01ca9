"""Correcting clusters by hand: labelling, moving moments, merging. Levels stay nested."""

from collections.abc import Sequence

from slic.errors import SearchError
from slic.search.clusters import cluster_members, resolve_level
from slic.search.index import Index
from slic.search.labels import LabelChange, set_label
from slic.search.repository.clusters import merge_into, move_to_new_leaf


def label_cluster(
    index: Index, cluster: int, label: str | None, *, level: int | None = None
) -> LabelChange:
    """Set the label of all moments of a cluster, or remove their labels (None).

    Raises:
        SearchError: There is no such cluster.
        LabelError: The label is empty, too long or not printable.
    """
    return set_label(index, cluster_members(index, cluster, level=level).tolist(), label)


def move_moments(
    index: Index, moment_ids: Sequence[int], cluster: int, *, level: int | None = None
) -> None:
    """Move moments into another cluster of a level, and so on all coarser levels.

    On finer levels they become a cluster of their own.

    Raises:
        SearchError: There is no such cluster or moment.
    """
    level = resolve_level(index, level)
    cluster_members(index, cluster, level=level)
    index.vectors(moment_ids)  # raises for ids that do not exist
    with index.database.transaction() as connection:
        move_to_new_leaf(connection, moment_ids, cluster, level)


def merge_clusters(index: Index, cluster_ids: Sequence[int], *, level: int | None = None) -> int:
    """Merge clusters of a level into the first of them, and so on all coarser levels.

    Returns:
        The id of the merged cluster.

    Raises:
        SearchError: Fewer than two different clusters, or one that does not exist.
    """
    level = resolve_level(index, level)
    kept, *others = dict.fromkeys(cluster_ids)
    if not others:
        raise SearchError(f"cluster {kept}: at least two clusters are needed for a merge.")
    for cluster in (kept, *others):
        cluster_members(index, cluster, level=level)
    with index.database.transaction() as connection:
        merge_into(connection, kept, others, level)
    return kept
