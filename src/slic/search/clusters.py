"""The kinds of moments in an index: FINCH clusters of the stored embeddings, on several levels.

They can be labelled. `slic.search.cluster_changes` corrects them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from slic.clustering.finch import finch
from slic.errors import SearchError
from slic.neighbours.assignment import assign
from slic.neighbours.rows import mean_directions
from slic.search.index import Index
from slic.search.labels import LabelChange, labels_of_moments, set_label
from slic.search.parts import Weights, vector_factors
from slic.search.repository import clusters as cluster_table
from slic.search.repository.schema import (
    read_cluster_weights,
    write_cluster_weights,
    write_level,
)

MAX_CLUSTERED_MOMENTS = 50_000  # the time of FINCH grows with its square
MAX_DEFAULT_CLUSTERS = 50  # the default level is the finest with at most so many


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster of one level.

    Attributes:
        id: Number on this level.
        level: 0 is the finest.
        size: Number of moments.
        coherence: Mean similarity of its moments to their mean direction, at most 1.
        medoid: The moment nearest to that direction.
        label: The label that most of its labelled moments have, or None.
        label_share: Share of all its moments that have this label, in [0, 1].
    """

    id: int
    level: int
    size: int
    coherence: float
    medoid: int
    label: str | None
    label_share: float


def cluster_index(
    index: Index,
    *,
    weights: Weights | None = None,
    max_moments: int = MAX_CLUSTERED_MOMENTS,
    seed: int = 0,
) -> tuple[int, ...]:
    """Cluster all moments. Earlier corrections and their undo are lost; labels stay.

    Args:
        index: The index.
        weights: Weights of the parts of a vector, which the index remembers for its clusters; None
            weights them equally.
        max_moments: Of more moments, a random sample of this size is clustered. The others join the
            finest cluster with the nearest mean direction.
        seed: Seed of the sample.

    Returns:
        The number of clusters of every level, finest first.

    Raises:
        SearchError: The index has no moments, or a weight is invalid.
        EmbeddingsError: An embedding is not finite.
    """
    factors = vector_factors(index.parts, weights)
    ids, x = index.all_vectors()
    if len(ids) == 0:
        raise SearchError(f"{index.path}: the index has no moments; run `slic index` first.")
    sample = np.sort(np.random.default_rng(seed).permutation(len(ids))[:max_moments])
    sampled = x[sample] * factors
    hierarchy = finch(sampled)
    finest = hierarchy.partitions[0]
    if len(sample) < len(ids):
        means = mean_directions(sampled, finest, k=int(finest.max()) + 1)
        leaf = assign(x, means * factors, seed=seed)  # of the vectors times the factors
    else:
        leaf = np.empty(len(ids), np.int64)
    leaf[sample] = finest
    first = np.unique(finest, return_index=True)[1]
    tree = [
        (int(finest[position]), level, int(partition[position]))
        for level, partition in enumerate(hierarchy.partitions)
        for position in first
    ]
    small = [level for level, k in enumerate(hierarchy.clusters) if k <= MAX_DEFAULT_CLUSTERS]
    with index.database.transaction() as connection:
        cluster_table.replace_tree(connection, tree, zip(leaf.tolist(), ids.tolist(), strict=True))
        write_level(connection, min(small, default=len(hierarchy.clusters) - 1))
        write_cluster_weights(connection, weights)
    return hierarchy.clusters


def clusters_per_level(index: Index) -> tuple[int, ...]:
    """Return the number of clusters of every level, finest first.

    Returns:
        Counts of the clusters that have a moment; empty before the index is clustered.
    """
    return index.database.read(cluster_table.count_clusters)


def set_level(index: Index, level: int) -> None:
    """Set the level that is used when none is given, and that the filter's ``cluster`` means.

    Raises:
        SearchError: There is no such level.
    """
    resolved = resolve_level(index, level)
    with index.database.transaction() as connection:
        write_level(connection, resolved)


def cluster_of(index: Index, *, level: int | None = None) -> dict[int, int]:
    """Return the cluster of every clustered moment, by moment id.

    Raises:
        SearchError: There is no such level, or the index is not clustered.
    """
    return index.database.read(cluster_table.select_cluster_of_moments, resolve_level(index, level))


def list_clusters(index: Index, *, level: int | None = None) -> list[Cluster]:
    """Return the clusters of a level, the largest first.

    Raises:
        SearchError: There is no such level, or the index is not clustered.
    """
    level = resolve_level(index, level)
    ids, numbers, similarity = _similarity_to_own_mean(index, level)
    labelled = labels_of_moments(index)
    order = np.lexsort((ids, -similarity, numbers))
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    clusters = []
    for members in np.split(order, starts[1:]):
        labels = [labelled[i].label for i in ids[members].tolist() if i in labelled]
        label = max(sorted(set(labels)), key=labels.count, default=None)
        clusters.append(
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
    return sorted(clusters, key=lambda cluster: (-cluster.size, cluster.id))


def cluster_members(
    index: Index, cluster: int, *, level: int | None = None
) -> Int64[np.ndarray, " m"]:
    """Return the moments of a cluster, the nearest to its mean direction first.

    Raises:
        SearchError: There is no such cluster.
    """
    level = resolve_level(index, level)
    ids = index.database.read(cluster_table.select_members, cluster, level)
    if len(ids) == 0:
        raise SearchError(
            f"cluster {cluster}: there is no such cluster on level {level}; "
            f"`slic cluster {index.path}` lists clusters."
        )
    x = index.vectors(ids) * cluster_factors(index)
    similarity = x @ mean_directions(x, np.zeros(len(x), dtype=np.int64), k=1)[0]
    ordered: Int64[np.ndarray, " m"] = ids[np.argsort(-similarity, kind="stable")]
    return ordered


def outliers(index: Index, *, level: int | None = None, limit: int = 20) -> list[tuple[int, float]]:
    """Return the moments that are least similar to the mean of their cluster.

    Returns:
        At most ``limit`` pairs of moment id and cosine similarity, the least similar first.

    Raises:
        SearchError: There is no such level, or the index is not clustered.
    """
    ids, _, similarity = _similarity_to_own_mean(index, resolve_level(index, level))
    order = np.argsort(similarity, kind="stable")[:limit]
    return list(zip(ids[order].tolist(), similarity[order].tolist(), strict=True))


def label_cluster(
    index: Index, cluster: int, label: str | None, *, level: int | None = None
) -> LabelChange:
    """Set the label of all moments of a cluster, or remove their labels (None).

    Raises:
        SearchError: There is no such cluster.
        LabelError: The label is empty, too long or not printable.
    """
    return set_label(index, cluster_members(index, cluster, level=level).tolist(), label)


def resolve_level(index: Index, level: int | None) -> int:
    """Return ``level`` if it exists, or the level of the index for None.

    Raises:
        SearchError: There is no such level, or the index is not clustered.
    """
    levels = clusters_per_level(index)
    if not levels:
        raise SearchError(f"{index.path}: not clustered yet; run `slic cluster {index.path}`.")
    resolved = index.level if level is None else level
    if not 0 <= resolved < len(levels):
        raise SearchError(f"level {resolved}: {index.path} has levels 0 to {len(levels) - 1}.")
    return resolved


def cluster_factors(index: Index) -> Float32[np.ndarray, " d"]:
    """Return the factors of the weights that the clusters were made with."""
    return vector_factors(index.parts, index.database.read(read_cluster_weights))


def _similarity_to_own_mean(
    index: Index, level: int
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Float32[np.ndarray, " m"]]:
    """Return ids, clusters, and similarities to the own cluster's mean, of clustered moments."""
    assigned = cluster_of(index, level=level)
    ids, x = index.all_vectors()
    x *= cluster_factors(index)
    kept = np.isin(ids, np.fromiter(assigned, dtype=np.int64, count=len(assigned)))
    ids, x = ids[kept], x[kept]
    numbers = np.array([assigned[i] for i in ids.tolist()], dtype=np.int64)
    compact = np.unique(numbers, return_inverse=True)[1].ravel()
    means = mean_directions(x, compact, k=int(compact.max()) + 1)
    similarity = np.einsum("nd,nd->n", x, means[compact])
    return ids, numbers, similarity.astype(np.float32)
