"""What kinds of moments there are: FINCH over the stored embeddings, kept in the index.

A moment's ``leaf`` is its cluster in the finest partition; the table ``tree`` holds the cluster of
every leaf on every level. Moving and merging keep that nesting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from slic.clustering.finch import finch
from slic.errors import SearchError
from slic.neighbours.exact import nearest_rows
from slic.neighbours.rows import mean_directions
from slic.search.index import Index
from slic.search.labels import labels_of_moments
from slic.search.repository import write_about

MOST_CLUSTERED = 50_000  # time grows with its square; the others join the nearest finest cluster
SHOWN_CLUSTERS = 50  # the level that is shown first has at most so many


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster of one level.

    Attributes:
        id: Its number on this level.
        level: 0 is the finest.
        size: Moments in it.
        coherence: Mean cosine similarity of its moments to their mean direction; 1 is all alike.
        medoid: The moment nearest to that direction.
        label: The label most of its labelled moments have, or None.
        label_share: Share of all its moments that have this label.
    """

    id: int
    level: int
    size: int
    coherence: float
    medoid: int
    label: str | None
    label_share: float


def cluster_index(index: Index, *, most: int = MOST_CLUSTERED, seed: int = 0) -> tuple[int, ...]:
    """Cluster all moments anew and return the number of clusters of every level, finest first.

    Of more than ``most`` moments so many, drawn by ``seed``, are clustered; the others join the
    finest cluster whose mean direction is nearest. Earlier moves and merges are lost, labels stay.

    Raises:
        SearchError: The index has no moments.
        TrainingError: Embeddings that are not finite.
    """
    ids, x = index.all_vectors()
    if len(ids) == 0:
        raise SearchError(f"{index.path}: the index has no moments; run `slic index` first.")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(ids))[:most])
    hierarchy = finch(x[drawn])
    finest = hierarchy.partitions[0]
    means = mean_directions(x[drawn], finest, k=int(finest.max()) + 1)
    leaf = nearest_rows(x, means, 1).indices[:, 0]
    leaf[drawn] = finest
    first = np.unique(finest, return_index=True)[1]
    tree = [
        (int(hierarchy.partitions[0][place]), level, int(labels[place]))
        for level, labels in enumerate(hierarchy.partitions)
        for place in first
    ]
    shown = [level for level, k in enumerate(hierarchy.clusters) if k <= SHOWN_CLUSTERS]
    with index.database.transaction() as connection:
        connection.execute("DELETE FROM tree")
        connection.execute("UPDATE moments SET leaf = NULL WHERE leaf IS NOT NULL")
        connection.executemany("INSERT INTO tree VALUES (?, ?, ?)", tree)
        connection.executemany(
            "UPDATE moments SET leaf = ? WHERE id = ?",
            zip(leaf.tolist(), ids.tolist(), strict=True),
        )
        write_about(connection, "level", str(min(shown, default=len(hierarchy.clusters) - 1)))
    return hierarchy.clusters


def clusters_per_level(index: Index) -> tuple[int, ...]:
    """Return the number of clusters of every level, finest first; nothing before clustering."""
    rows = index.database.rows(
        "SELECT count(DISTINCT t.cluster) FROM tree t"
        " WHERE t.leaf IN (SELECT leaf FROM moments) GROUP BY t.level ORDER BY t.level"
    )
    return tuple(count for (count,) in rows)


def show_level(index: Index, level: int) -> None:
    """Make a level the one that is shown, and that the filter's ``cluster`` means.

    Raises:
        SearchError: There is no such level.
    """
    checked = level_or_shown(index, level)
    with index.database.transaction() as connection:
        write_about(connection, "level", str(checked))


def cluster_of(index: Index, *, level: int | None = None) -> dict[int, int]:
    """Return the cluster of every moment that has one, by moment id."""
    rows = index.database.rows(
        "SELECT m.id, t.cluster FROM moments m JOIN tree t ON t.leaf = m.leaf AND t.level = ?"
        " ORDER BY m.id",
        (level_or_shown(index, level),),
    )
    return dict(rows)


def list_clusters(index: Index, *, level: int | None = None) -> list[Cluster]:
    """Return the clusters of a level, the largest first; None is the level that is shown.

    Raises:
        SearchError: There is no such level, or nothing was clustered yet.
    """
    level = level_or_shown(index, level)
    ids, numbers, similarity = _to_own_mean(index, level)
    labelled = labels_of_moments(index)
    order = np.lexsort((ids, -similarity, numbers))
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    found = []
    for members in np.split(order, starts[1:]):
        labels = [labelled[i].label for i in ids[members].tolist() if i in labelled]
        label = max(sorted(set(labels)), key=labels.count, default=None)
        found.append(
            Cluster(
                id=int(numbers[members[0]]),
                level=level,
                size=len(members),
                coherence=float(similarity[members].mean()),
                medoid=int(ids[members[0]]),
                label=label,
                label_share=labels.count(label) / len(members) if label is not None else 0.0,
            )
        )
    return sorted(found, key=lambda cluster: (-cluster.size, cluster.id))


def cluster_members(
    index: Index, cluster: int, *, level: int | None = None
) -> Int64[np.ndarray, " m"]:
    """Return the moments of a cluster, the nearest to its mean direction first.

    Raises:
        SearchError: There is no such cluster.
    """
    ids = members_of(index, [cluster], level_or_shown(index, level))
    x = index.vectors(ids)
    similarity = x @ mean_directions(x, np.zeros(len(x), dtype=np.int64), k=1)[0]
    ordered: Int64[np.ndarray, " m"] = ids[np.argsort(-similarity, kind="stable")]
    return ordered


def outliers(index: Index, *, level: int | None = None, most: int = 20) -> list[tuple[int, float]]:
    """Return the moments least like their own cluster, with their similarity to its mean."""
    ids, _, similarity = _to_own_mean(index, level_or_shown(index, level))
    order = np.argsort(similarity, kind="stable")[:most]
    return list(zip(ids[order].tolist(), similarity[order].tolist(), strict=True))


def level_or_shown(index: Index, level: int | None) -> int:
    """Return a level that there is; None is the one that is shown.

    Raises:
        SearchError: There is no such level, or nothing was clustered yet.
    """
    there = clusters_per_level(index)
    if not there:
        raise SearchError(f"{index.path}: not clustered yet; run `slic cluster {index.path}`.")
    wanted = index.level if level is None else level
    if not 0 <= wanted < len(there):
        raise SearchError(f"--level {wanted}: {index.path} has the levels 0 to {len(there) - 1}.")
    return wanted


def members_of(index: Index, wanted: Sequence[int], level: int) -> Int64[np.ndarray, " m"]:
    """Return the moments of some clusters, ids ascending.

    Raises:
        SearchError: There is none.
    """
    rows = index.database.rows(
        "SELECT m.id FROM moments m JOIN tree t ON t.leaf = m.leaf"
        f" WHERE t.level = ? AND t.cluster IN ({','.join('?' * len(wanted))}) ORDER BY m.id",
        (level, *wanted),
    )
    if not rows:
        raise SearchError(
            f"cluster {', '.join(map(str, wanted))}: there is no such cluster on level {level}; "
            f"`slic cluster {index.path} --level {level}` lists them."
        )
    return np.array([row[0] for row in rows], dtype=np.int64)


def _to_own_mean(
    index: Index, level: int
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Float32[np.ndarray, " m"]]:
    """Return ids, clusters and similarities to the own cluster's mean of all clustered moments."""
    assigned = cluster_of(index, level=level)
    ids, x = index.all_vectors()
    kept = np.isin(ids, np.fromiter(assigned, dtype=np.int64, count=len(assigned)))
    ids, x = ids[kept], x[kept]
    numbers = np.array([assigned[i] for i in ids.tolist()], dtype=np.int64)
    compact = np.unique(numbers, return_inverse=True)[1].ravel()
    means = mean_directions(x, compact, k=int(compact.max()) + 1)
    similarity = np.einsum("nd,nd->n", x, means[compact])
    return ids, numbers, similarity.astype(np.float32)
