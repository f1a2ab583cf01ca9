"""Near duplicates, copies and outliers of an index, as groups of moments for the page."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from slic.search import Duplicate, Index, IndexedVideo, Survey, outliers, survey_moments
from slic.search.parts import Weights
from slic.studio.worker import report_progress

MIN_THRESHOLD = 0.8  # pairs that are less similar are not kept
MAX_PAIRS = 5000
MAX_OUTLIERS = 500
DUPLICATE_LABEL = "duplicate"


class Group(NamedTuple):
    """Moments that are nearly equal.

    Attributes:
        moments: Their ids, ascending.
        similarity: Of the most similar two of them.
    """

    moments: tuple[int, ...]
    similarity: float


def survey(folder: Path, weights: Weights | None) -> Survey:
    """Search near duplicates and isolated moments of an index, in a worker process.

    Args:
        folder: Folder of the index.
        weights: Weights of the parts of a vector; None weights them equally.

    Raises:
        SearchError: There is no index in the folder, or a weight is invalid.
    """
    index = Index.open(folder)
    found = survey_moments(
        index, threshold=MIN_THRESHOLD, most=MAX_PAIRS, weights=weights, on_batch=report_progress
    )
    index.close()
    return found


def cluster_outliers(folder: Path, level: int) -> list[tuple[int, float]]:
    """Return the moments that are least similar to their cluster, in a worker process.

    Raises:
        SearchError: There is no index in the folder, or no such level.
    """
    index = Index.open(folder)
    found = outliers(index, level=level, limit=MAX_OUTLIERS)
    index.close()
    return found


def groups_of_pairs(pairs: Iterable[Duplicate], *, threshold: float) -> list[Group]:
    """Return the connected groups of pairs, those with the most similar pair first.

    Args:
        pairs: Pairs of moments.
        threshold: Pairs that are less similar do not count.
    """
    kept = [pair for pair in pairs if pair.similarity >= threshold]
    if not kept:
        return []
    moments = np.unique([(pair.first, pair.second) for pair in kept])
    ends = np.searchsorted(moments, [(pair.first, pair.second) for pair in kept]).reshape(-1, 2)
    size = (len(moments), len(moments))
    number = connected_components(coo_array((np.ones(len(ends)), ends.T), shape=size))[1]
    members = defaultdict(list)
    for moment, group in zip(moments.tolist(), number.tolist(), strict=True):
        members[group].append(moment)
    best: dict[int, float] = {}
    for pair, (first, _) in zip(kept, ends.tolist(), strict=True):
        best[number[first]] = max(best.get(number[first], -1.0), pair.similarity)
    groups = [Group(tuple(members[group]), similarity) for group, similarity in best.items()]
    return sorted(groups, key=lambda group: (-group.similarity, group.moments))


def copies(videos: Sequence[IndexedVideo]) -> list[list[IndexedVideo]]:
    """Return the videos that have the same content under several paths, in the order of paths."""
    by_content = defaultdict(list)
    for video in videos:
        by_content[video.content_id].append(video)
    return [same for same in by_content.values() if len(same) > 1]
