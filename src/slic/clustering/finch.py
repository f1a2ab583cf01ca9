"""FINCH: a hierarchy of partitions from first neighbours (Sarfraz et al., CVPR 2019)."""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from slic.errors import TrainingError
from slic.neighbours.first import EXACT_UP_TO, FirstNeighbours, first_neighbours
from slic.neighbours.rows import directions, paired_distances, sums_by_label

BLOCK = 2048


@dataclass(frozen=True)
class Hierarchy:
    """Partitions of the same points, finest first; a partition has the labels 0..k-1.

    Attributes:
        partitions: The labels.
        recalls: For every partition, the recall of the first neighbours it was made from, measured
            on a sample; None where they were searched exactly.
    """

    partitions: tuple[Int[np.ndarray, " n"], ...]
    recalls: tuple[float | None, ...]

    @property
    def clusters(self) -> tuple[int, ...]:
        """The number of clusters of every partition."""
        return tuple(int(labels.max()) + 1 for labels in self.partitions)


def finch(
    x: Float[np.ndarray, "n d"],
    *,
    early_exit: bool = True,
    exact_up_to: int = EXACT_UP_TO,
    seed: int = 0,
) -> Hierarchy:
    """Cluster points by cosine first neighbours, then the clusters' means, and so on.

    Two points are linked when one is the first neighbour of the other or both have the same one;
    the clusters of a level are the connected components of these links. The next level does the
    same with the means of the clusters' points (of the points as they come, not at length 1). The
    hierarchy ends before a level of one cluster or without a merge, and after a level with a
    single merge.

    A first level of one cluster is kept, so there is always a partition: one or two points, or
    points that are all alike, are one cluster. No cluster is a single point unless there is one
    point only.

    Args:
        x: One embedding a row.
        early_exit: Cut links of later levels that are longer than the longest of the first, as in
            the original code of the method's authors: all three kinds of links above count, and a
            pair of mutual first neighbours counts as twice as far apart. The first partition does
            not depend on it.
        exact_up_to: Points, or means, up to which the neighbours are searched exactly.
        seed: Of the approximate search for the neighbours of more.

    Raises:
        TrainingError: No points, or values that are not finite.
    """
    if len(x) == 0:
        raise TrainingError("There are no embeddings to cluster.")
    if len(x) == 1:
        directions(x)  # refuses what is not finite
        return Hierarchy((np.zeros(1, dtype=np.int64),), (None,))
    neighbors = first_neighbours(x, exact_up_to=exact_up_to, seed=seed)
    longest = _longest_link(x, neighbors) if early_exit else np.inf
    labels = _components(neighbors.index, np.ones(len(x), dtype=bool))
    partitions, recalls = [labels], [neighbors.recall]
    clusters, merges = int(labels.max()) + 1, len(x)
    while clusters > 1 and merges > 1:
        means = _means(x, labels)
        neighbors = first_neighbours(means, exact_up_to=exact_up_to, seed=seed)
        merged = _merge_clusters(means, neighbors, longest)
        merges = clusters - int(merged.max()) - 1
        clusters -= merges
        if clusters == 1 or merges == 0:
            break
        labels = merged[labels]
        partitions.append(labels)
        recalls.append(neighbors.recall)
    return Hierarchy(tuple(partitions), tuple(recalls))


def _merge_clusters(
    means: Float64[np.ndarray, "k d"], neighbors: FirstNeighbours, longest: float
) -> Int[np.ndarray, " k"]:
    kept = _link_lengths(neighbors) <= longest
    return _components(neighbors.index, kept | _linked_by_a_third(means, neighbors, longest))


def _components(
    neighbor: Int[np.ndarray, " n"], kept: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Return the connected components when every kept point is linked to its first neighbour.

    Links between points of the same first neighbour change nothing here: both lead to it.
    """
    start = np.flatnonzero(kept)
    links = csr_array((np.ones(len(start)), (start, neighbor[start])), shape=2 * neighbor.shape)
    labels: Int[np.ndarray, " n"] = connected_components(links, directed=False)[1]
    return labels.astype(np.int64)


def _means(
    x: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, "k d"]:
    sizes = np.bincount(labels)
    means: Float64[np.ndarray, "k d"] = sums_by_label(x, labels, k=len(sizes)) / sizes[:, None]
    return means


def _mutual(neighbor: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    mutual: Bool[np.ndarray, " n"] = neighbor[neighbor] == np.arange(len(neighbor))
    return mutual


def _link_lengths(neighbors: FirstNeighbours) -> Float64[np.ndarray, " n"]:
    """Return how long every point's link to its first neighbour counts for the cut."""
    return neighbors.distance * np.where(_mutual(neighbors.index), 2.0, 1.0)


def _linked_by_a_third(
    x: Float64[np.ndarray, "n d"], neighbors: FirstNeighbours, longest: float
) -> Bool[np.ndarray, " n"]:
    """Say which points stay linked to their first neighbour through a third point.

    A point j whose neighbour k is mutual with i shares its first neighbour with i. When i-k counts
    as too long (twice), i-j may not, and then j-k is not either, being shorter: i-j-k. No other
    shared link can outlive the links to the shared neighbour, which are shorter.
    """
    j = np.flatnonzero(~_mutual(neighbors.index) & _mutual(neighbors.index)[neighbors.index])
    i = neighbors.index[neighbors.index[j]]
    near = paired_distances(x, j, i) <= longest
    linked = np.zeros(len(x), dtype=bool)
    linked[i[near]] = True
    return linked


def _longest_link(x: Float[np.ndarray, "n d"], neighbors: FirstNeighbours) -> float:
    """Return the length of the longest link of the first level, of all three kinds."""
    longest = float(_link_lengths(neighbors).max())
    by_neighbor = np.argsort(neighbors.index, kind="stable")
    sizes = np.bincount(neighbors.index)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 1]).tolist():
        groups = by_neighbor[starts[sizes == size][:, None] + np.arange(size)]
        together = max(1, BLOCK // size)
        for start in range(0, len(groups), together):
            longest = max(longest, _largest_diameter(x, groups[start : start + together]))
    return longest


def _largest_diameter(x: Float[np.ndarray, "n d"], groups: Int[np.ndarray, "g m"]) -> float:
    """Return the largest cosine distance of two points of one group, in blocks: of hubs too."""
    unit = directions(x[groups.ravel()]).reshape(*groups.shape, -1)
    parts = [unit[:, start : start + BLOCK] for start in range(0, groups.shape[1], BLOCK)]
    pairs = combinations_with_replacement(parts, 2)
    return 1.0 - min(float((a @ b.swapaxes(1, 2)).min()) for a, b in pairs)
