"""FINCH: a hierarchy of partitions from first neighbours (Sarfraz et al., CVPR 2019)."""

from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from slic.arguments import require
from slic.clustering.base import PseudoLabels
from slic.errors import TrainingError
from slic.neighbours.first import MAX_EXACT_POINTS, FirstNeighbours, first_neighbours
from slic.neighbours.rows import (
    ROWS_PER_BLOCK,
    means_by_label,
    paired_distances,
    sums_by_label,
    unit_rows,
)
from slic.neighbours.sharded import LOCAL, Sharding

GROUP_BLOCK_POINTS = 2048
ANGLE_ERROR = 1e-3  # radians, of a distance in single precision


@dataclass(frozen=True)
class FINCH:
    """FINCH clustering; the number of clusters follows from the data.

    Args:
        partition: Which partition of the hierarchy, 0 the finest. If the hierarchy has fewer, the
            coarsest is taken, and `PseudoLabels.partition` holds its level.

    Raises:
        RecipeError: ``partition`` is negative.

    Example:
        >>> FINCH(partition=1)(np.random.rand(300, 8), seed=0).partition
        1
    """

    partition: int = 0

    def __post_init__(self) -> None:
        require(self.partition >= 0, "partition", self.partition, "at least 0")

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int) -> PseudoLabels:
        """Cluster the rows by cosine distance.

        Args:
            x: Embeddings. Lengths count too: the second and later levels average the rows as given.
            seed: Seed of the approximate neighbour search, which large collections need.

        Raises:
            TrainingError: No embeddings.
            EmbeddingsError: Values that are not finite.
        """
        hierarchy = finch(x, seed=seed)
        level = min(self.partition, len(hierarchy.partitions) - 1)
        measured = [recall for recall in hierarchy.recalls[: level + 1] if recall is not None]
        return PseudoLabels(hierarchy.partitions[level], level, min(measured, default=None))


@dataclass(frozen=True)
class Hierarchy:
    """Partitions of the same points, finest first; a partition has the labels 0..k-1.

    Attributes:
        partitions: The labels.
        recalls: For each partition, the measured recall of the first neighbours behind it. None if
            their search was exact.
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
    exact_up_to: int = MAX_EXACT_POINTS,
    seed: int = 0,
    sharding: Sharding = LOCAL,
) -> Hierarchy:
    """Return the hierarchy of partitions: cluster the points, then the clusters' means, and so on.

    Two points are linked if one is the first neighbour of the other, or if both have the same first
    neighbour. The clusters of a level are the connected components of these links. The next level
    clusters the means of the clusters (of the rows as given, not at length 1). The hierarchy ends
    before a level that has one cluster or merges nothing, and after a level with a single merge.

    There is always a partition: one point, two points, or equal points form one cluster. No cluster
    is a single point unless there is only one point.

    Args:
        x: One embedding per row.
        early_exit: At later levels, cut links longer than the longest link of the first level, as
            in the FINCH authors' code. All three kinds of links count, and the length of a link
            between reciprocal first neighbours counts twice. The first partition is not affected.
        exact_up_to: Largest number of points, or means, whose neighbours are searched exactly.
        seed: Seed of the approximate search above that number.
        sharding: Where the approximate search runs. It does not change the result.

    Raises:
        TrainingError: No points.
        EmbeddingsError: Values that are not finite.

    Example:
        >>> finch(np.random.rand(300, 8)).clusters
        (66, 15, 4)
    """
    if len(x) == 0:
        raise TrainingError("There are no embeddings to cluster.")
    if len(x) == 1:
        unit_rows(x)  # refuses values that are not finite
        return Hierarchy((np.zeros(1, dtype=np.int64),), (None,))
    search = partial(first_neighbours, exact_up_to=exact_up_to, seed=seed, sharding=sharding)
    neighbours = search(x)
    longest = _longest_link(x, neighbours) if early_exit else np.inf
    labels = _components(neighbours.index, np.ones(len(x), dtype=bool))
    partitions, recalls = [labels], [neighbours.recall]
    clusters, merges = int(labels.max()) + 1, len(x)
    means = means_by_label(x, labels, k=clusters)
    while clusters > 1 and merges > 1:
        neighbours = search(means)
        merged = _merge_clusters(means, neighbours, longest)
        merges = clusters - int(merged.max()) - 1
        clusters -= merges
        if clusters == 1 or merges == 0:
            break
        means = _next_means(x, labels, means, merged, exact=len(x) <= exact_up_to)
        labels = merged[labels]
        partitions.append(labels)
        recalls.append(neighbours.recall)
    return Hierarchy(tuple(partitions), tuple(recalls))


def _next_means(
    x: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    means: Float64[np.ndarray, "k d"],
    merged: Int[np.ndarray, " k"],
    *,
    exact: bool,
) -> Float64[np.ndarray, "j d"]:
    """Return the means of merged clusters: of their rows, or of the means weighted by size.

    They differ in rounding. The means of a large collection are far fewer than its rows.
    """
    clusters = int(merged.max()) + 1
    if exact:
        return means_by_label(x, merged[labels], k=clusters)
    sizes = np.bincount(labels)
    means *= sizes[:, None]
    sums = sums_by_label(means, merged, k=clusters)
    sums /= np.bincount(merged, weights=sizes)[:, None]
    return sums


def _merge_clusters(
    means: Float64[np.ndarray, "k d"], neighbours: FirstNeighbours, longest: float
) -> Int[np.ndarray, " k"]:
    kept = _link_lengths(neighbours) <= longest
    return _components(neighbours.index, kept | _linked_through_third(means, neighbours, longest))


def _components(
    neighbour: Int[np.ndarray, " n"], kept: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Return the connected components when every kept point is linked to its first neighbour.

    Links between points with the same first neighbour add nothing here: both lead to it.
    """
    start = np.flatnonzero(kept)
    links = csr_array((np.ones(len(start)), (start, neighbour[start])), shape=2 * neighbour.shape)
    labels: Int[np.ndarray, " n"] = connected_components(links, directed=False)[1]
    return labels.astype(np.int64)


def _reciprocal(neighbour: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return which points are the first neighbour of their own first neighbour."""
    reciprocal: Bool[np.ndarray, " n"] = neighbour[neighbour] == np.arange(len(neighbour))
    return reciprocal


def _link_lengths(neighbours: FirstNeighbours) -> Float64[np.ndarray, " n"]:
    """Return the length that decides the cut, for every point's link to its first neighbour."""
    return neighbours.distance * np.where(_reciprocal(neighbours.index), 2.0, 1.0)


def _linked_through_third(
    means: Float64[np.ndarray, "k d"], neighbours: FirstNeighbours, longest: float
) -> Bool[np.ndarray, " k"]:
    """Return which points stay linked to their first neighbour through a third point.

    Let i and k be reciprocal first neighbours, and k also the first neighbour of j. Then i and j
    share a first neighbour. The link i-k may be cut, because its length counts twice, while i-j is
    kept. Then j-k is kept too, being shorter than i-j, and i stays linked as i-j-k. No other shared
    link can outlive the links to the shared neighbour, which are shorter.
    """
    index, reciprocal = neighbours.index, _reciprocal(neighbours.index)
    j = np.flatnonzero(~reciprocal & reciprocal[index])
    i = index[index[j]]
    near = paired_distances(means, j, i) <= longest
    linked = np.zeros(len(means), dtype=bool)
    linked[i[near]] = True
    return linked


def _longest_link(x: Float[np.ndarray, "n d"], neighbours: FirstNeighbours) -> float:
    """Return the length of the longest link of the first level, of all three kinds."""
    longest = float(_link_lengths(neighbours).max())
    points = np.flatnonzero(_have_directions(x))  # a link of another point to these counts above
    by_neighbour = points[np.argsort(neighbours.index[points], kind="stable")]
    sizes = np.bincount(neighbours.index[points])
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 1]).tolist():
        groups = by_neighbour[starts[sizes == size][:, None] + np.arange(size)]
        at_once = max(1, GROUP_BLOCK_POINTS // size)
        for start in range(0, len(groups), at_once):
            some = groups[start : start + at_once]
            if size > GROUP_BLOCK_POINTS:
                some = some[:, _may_exceed(longest, neighbours.distance[some[0]])]
            if some.shape[1] > 1:
                longest = max(longest, _largest_diameter(x, some))
    return longest


def _have_directions(x: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    blocks = (x[start : start + ROWS_PER_BLOCK] for start in range(0, len(x), ROWS_PER_BLOCK))
    return np.concatenate([block.any(axis=1) for block in blocks])


def _may_exceed(longest: float, distance: Float64[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
    """Return which points of a group may be farther from another one than a distance.

    Their angle is at most the sum of their angles to the shared neighbour. So of thousands of equal
    points, as of black pictures, none is compared.

    Args:
        longest: The distance.
        distance: Distances to the shared neighbour.
    """
    angle = np.arccos(1.0 - distance)
    may: Bool[np.ndarray, " m"] = (
        angle + angle.max() > np.arccos(max(-1.0, 1.0 - longest)) - ANGLE_ERROR
    )
    return may


def _largest_diameter(x: Float[np.ndarray, "n d"], groups: Int[np.ndarray, "g m"]) -> float:
    """Return the largest cosine distance of two points of one group.

    It works in blocks, because one point can be the first neighbour of most others.
    """
    unit = unit_rows(x[groups.ravel()]).reshape(*groups.shape, -1)
    starts = range(0, groups.shape[1], GROUP_BLOCK_POINTS)
    parts = [unit[:, start : start + GROUP_BLOCK_POINTS] for start in starts]
    pairs = combinations_with_replacement(parts, 2)
    return 1.0 - min(float((a @ b.swapaxes(1, 2)).min()) for a, b in pairs)
