"""Which queries the report shows with their neighbours, chosen by a rule and not by hand."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from slic.neighbours.exact import NearestRows
from slic.videos.thumbnails import Filmstrip

NEIGHBOURS = 6
RULE = (
    "Rule of choice: the queries are sorted into three kinds by how many of their six nearest "
    "neighbours share their label: all, some, none. Of each kind up to four are shown. The label "
    "shown least so far comes next (ties: alphabetical), with its first query of that kind."
)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One video of a row; ``similarity`` is None for the query."""

    name: str
    label: str
    strip: Filmstrip | None
    similarity: float | None = None


@dataclass(frozen=True, kw_only=True)
class NeighbourRow:
    """A query and its nearest neighbours, nearest first.

    Attributes:
        query: The video that was looked for.
        neighbours: What was found; right where its label is that of the query.
        kind: ``"all right"``, ``"some right"`` or ``"none right"``.
        share: Which share of all queries is of this kind.
    """

    query: Tile
    neighbours: tuple[Tile, ...]
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
    """Return up to ``per_kind`` rows of each kind, chosen by ``RULE``.

    Args:
        ranking: Of all queries, with at least ``NEIGHBOURS`` neighbours where there are as many.
        query_names: Ids of the queries, in the order of the ranking.
        query_labels: Their labels.
        gallery_names: Ids of the gallery.
        gallery_labels: Their labels.
        strip_of: Makes the moving thumbnail of an id; asked for the shown videos only.
        per_kind: How many rows of each kind.
    """
    order = ranking.indices[:, :NEIGHBOURS]
    right = np.asarray(gallery_labels)[order] == np.asarray(query_labels)[:, None]
    rows, shown = [], Counter[str]()
    for kind, members in _kinds(right):
        share = len(members) / len(right)
        for q in _take(members, per_kind, query_labels, shown):
            found = tuple(
                Tile(
                    name=gallery_names[g],
                    label=gallery_labels[g],
                    strip=strip_of(gallery_names[g]),
                    similarity=float(similarity),
                )
                for g, similarity in zip(order[q].tolist(), ranking.similarities[q], strict=False)
            )
            name, label = query_names[q], query_labels[q]
            query = Tile(name=name, label=label, strip=strip_of(name))
            rows.append(NeighbourRow(query=query, neighbours=found, kind=kind, share=share))
    return rows


def _kinds(right: Bool[np.ndarray, "q k"]) -> Iterator[tuple[str, list[int]]]:
    every, some = right.all(axis=1), right.any(axis=1)
    for kind, chosen in (
        ("all right", every),
        ("some right", some & ~every),
        ("none right", ~some),
    ):
        yield kind, np.flatnonzero(chosen).tolist()


def _take(
    queries: Sequence[int], count: int, labels: Sequence[str], shown: Counter[str]
) -> list[int]:
    """Take queries one by one, always of the label ``shown`` least so far, and count them there."""
    left, taken = list(queries), list[int]()
    while left and len(taken) < count:
        chosen = min(left, key=lambda q: (shown[labels[q]], labels[q], q))
        shown[labels[chosen]] += 1
        left.remove(chosen)
        taken.append(chosen)
    return taken
