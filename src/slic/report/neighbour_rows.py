"""Queries with their nearest neighbours for a page, chosen by a fixed rule."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from slic.neighbours.exact import NearestRows
from slic.videos.thumbnails import Filmstrip

NEIGHBOURS = 6
ROW_RULE = (
    "Rule: the queries are divided by how many of their six nearest neighbours have their label: "
    "all, some or none. Up to four of each kind are listed. The label listed least often so far "
    "comes next, ties in alphabetical order, with its first query of that kind."
)


@dataclass(frozen=True, kw_only=True)
class NeighbourTile:
    """One video of a row.

    Attributes:
        name: Video id.
        label: Its label.
        strip: Its moving thumbnail, or None.
        similarity: Cosine similarity to the query; None for the query itself.
    """

    name: str
    label: str
    strip: Filmstrip | None
    similarity: float | None = None


@dataclass(frozen=True, kw_only=True)
class NeighbourRow:
    """A query and its nearest neighbours.

    Attributes:
        query: The query.
        neighbours: Its neighbours, the nearest first.
        kind: ``"all right"``, ``"some right"`` or ``"none right"``: how many have its label.
        share: Share of the queries of this kind, in [0, 1].
    """

    query: NeighbourTile
    neighbours: tuple[NeighbourTile, ...]
    kind: str
    share: float


def neighbour_rows(
    ranking: NearestRows,
    *,
    query_names: Sequence[str],
    query_labels: Sequence[str],
    gallery_names: Sequence[str],
    gallery_labels: Sequence[str],
    strip_of: Callable[[str], Filmstrip | None],
    per_kind: int = 4,
) -> list[NeighbourRow]:
    """Return up to ``per_kind`` rows of each kind, chosen by `ROW_RULE`.

    Args:
        ranking: Ranked gallery of every query, with at least `NEIGHBOURS` videos if there are any.
        query_names: Video ids of the queries.
        query_labels: Labels of the queries.
        gallery_names: Video ids of the gallery.
        gallery_labels: Labels of the gallery.
        strip_of: Makes the thumbnail of a video id; called for the chosen videos only.
        per_kind: Largest number of rows of each kind.
    """
    order = ranking.indices[:, :NEIGHBOURS]
    right = np.asarray(gallery_labels)[order] == np.asarray(query_labels)[:, None]
    every, some = right.all(axis=1), right.any(axis=1)
    kinds = {"all right": every, "some right": some & ~every, "none right": ~some}

    def tile(name: str, label: str, similarity: float | None = None) -> NeighbourTile:
        return NeighbourTile(name=name, label=label, strip=strip_of(name), similarity=similarity)

    rows, listed = [], Counter[str]()
    for kind, chosen in kinds.items():
        members = np.flatnonzero(chosen).tolist()
        for q in _take_evenly(members, per_kind, query_labels, listed):
            nearest = zip(order[q].tolist(), ranking.similarities[q].tolist(), strict=False)
            row = NeighbourRow(
                query=tile(query_names[q], query_labels[q]),
                neighbours=tuple(tile(gallery_names[g], gallery_labels[g], s) for g, s in nearest),
                kind=kind,
                share=len(members) / len(right),
            )
            rows.append(row)
    return rows


def _take_evenly(
    queries: Sequence[int], count: int, labels: Sequence[str], listed: Counter[str]
) -> list[int]:
    """Take queries one by one, always of the label listed least so far, and count them."""
    left, taken = list(queries), list[int]()
    while left and len(taken) < count:
        chosen = min(left, key=lambda q: (listed[labels[q]], labels[q], q))
        listed[labels[chosen]] += 1
        left.remove(chosen)
        taken.append(chosen)
    return taken
