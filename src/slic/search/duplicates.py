"""Nearly the same moments in different files."""

from dataclasses import dataclass

import numpy as np

from slic.search.index import Index

BLOCK = 1024


@dataclass(frozen=True)
class Duplicate:
    """Two moments of different files that are nearly the same."""

    first: int
    second: int
    similarity: float


def near_duplicates(
    index: Index, *, threshold: float = 0.98, most: int = 100, neighbours: int = 10
) -> list[Duplicate]:
    """Return the best pair of moments of each two files that are at least so similar, best first.

    Looked for among the ``neighbours`` nearest moments of every moment.
    """
    ids, x = index.all_vectors()
    of: dict[int, int] = dict(index.database.rows("SELECT id, video_id FROM moments"))
    best: dict[tuple[int, int], Duplicate] = {}
    for start in range(0, len(ids), BLOCK):
        near = index.nearest(x[start : start + BLOCK], neighbours)
        for query, column in zip(*np.nonzero(near.similarities >= threshold), strict=True):
            pair = sorted((int(ids[start + query]), int(near.ids[query, column])))
            files = (of.get(pair[0], -1), of.get(pair[1], -1))
            similarity = float(near.similarities[query, column])
            key = (min(files), max(files))
            if files[0] != files[1] and (key not in best or similarity > best[key].similarity):
                best[key] = Duplicate(pair[0], pair[1], similarity)
    return sorted(best.values(), key=lambda pair: (-pair.similarity, pair.first))[:most]
