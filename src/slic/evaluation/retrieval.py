"""Nearest-neighbour retrieval: queries of one split look for their own action in another.

R@k is the share of *all* queries with at least one video of their label among the k nearest of the
gallery (any-match, as in the paper). No query is dropped, also not one whose label is not there.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.embeddings import AllWindows, Layer
from slic.evaluation.ranking import (
    GALLERY_BLOCK,
    first_match_rank,
    match_ranks,
    rank,
    similarity_rows,
)

RECALL_AT = (1, 5, 10, 20, 50)
FEW = 1000  # as many nearest of a large gallery are cheaper to keep than all are to rank
LOWEST, CONFUSED = 10, 5  # labels and pairs that the table shows; JSON has all


@dataclass(frozen=True, kw_only=True)
class RetrievalProtocol:
    """How a video becomes the vector that is compared (docs/protocols.md).

    Attributes:
        layer: Output of the projection head, or of the backbone before it.
        clips: Evenly spaced clips of a video, ``linspace(L / 2, T - L / 2, clips)``, averaged; or
            ``"windows"``: all half-overlapping windows, each scaled to length 1, averaged.
        centre: Whether each split's mean vector is subtracted from it.
    """

    layer: Layer
    clips: int | AllWindows = 10
    centre: bool = False

    def __str__(self) -> str:
        """Say the protocol in one line, to stand beside the number."""
        windows = self.clips == "windows"
        clips = (
            "all half-overlapping windows, each of length 1" if windows else f"{self.clips} clips"
        )
        centred = ", mean-centred per split" if self.centre else ""
        return f"{self.layer} output, mean over {clips}{centred}, cosine, any match"


PROTOCOLS = {
    "paper": RetrievalProtocol(layer="head"),
    "backbone": RetrievalProtocol(layer="backbone"),
    "paper-centred": RetrievalProtocol(layer="head", centre=True),
    "backbone-centred": RetrievalProtocol(layer="backbone", centre=True),
    # Han, Xie and Zisserman, CoCLR, NeurIPS 2020; docs/protocols.md says where their code differs
    "sliding-windows": RetrievalProtocol(layer="backbone", clips="windows", centre=True),
}


@dataclass(frozen=True, kw_only=True)
class RetrievalScores:
    """What one retrieval gave, and by which protocol.

    Attributes:
        recall: R@k for each k, between 0 and 1.
        mean_average_precision: Over the whole ranked gallery; a query without a match counts 0;
            NaN when it was left out.
        queries: Number of queries; all of them count.
        gallery: Number of gallery videos.
        unmatched_queries: Queries whose label no gallery video has: always misses.
        per_class_recall: R@1 of the queries of each label.
        confusion: Label of the queries -> label of their nearest neighbours -> how many, most
            frequent first.
        protocol: The conditions in words.
    """

    recall: dict[int, float]
    mean_average_precision: float
    queries: int
    gallery: int
    unmatched_queries: int
    per_class_recall: dict[str, float]
    confusion: dict[str, dict[str, int]]
    protocol: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the recalls are keyed ``"1"``, ``"5"``, ..."""
        precision = self.mean_average_precision
        return {
            "protocol": self.protocol,
            "recall": {str(k): value for k, value in self.recall.items()},
            "mean_average_precision": None if math.isnan(precision) else precision,
            "queries": self.queries,
            "gallery": self.gallery,
            "unmatched_queries": self.unmatched_queries,
            "per_class_recall_at_1": dict(self.per_class_recall),
            "confusion": {label: dict(found) for label, found in self.confusion.items()},
        }

    def table(self) -> str:
        """Return the scores in percent with their protocol, for a terminal.

        Of many labels, those of the lowest R@1 are shown, and the pairs mistaken most often.
        """
        figures = {f"R@{k}": value for k, value in self.recall.items()}
        if not math.isnan(self.mean_average_precision):
            figures["mAP"] = self.mean_average_precision
        sizes = f"{self.queries} queries, gallery of {self.gallery}"
        if self.unmatched_queries:
            sizes += f"; {self.unmatched_queries} queries have no match in it and count as misses"
        return "\n".join(
            [
                f"retrieval ({self.protocol})",
                sizes,
                "".join(f"{name:>8}" for name in figures),
                "".join(f"{100 * value:>8.1f}" for value in figures.values()),
                *self._lowest_labels(),
                *self._most_confused(),
            ]
        )

    def _lowest_labels(self) -> list[str]:
        lowest = sorted(self.per_class_recall.items(), key=lambda item: item[1])[:LOWEST]
        width = max(len(label) for label, _ in lowest)
        of = f", the {LOWEST} lowest of {len(self.per_class_recall)}"
        return [
            f"R@1 by label{of if len(self.per_class_recall) > LOWEST else ''}",
            *(f"  {label:<{width}} {100 * recall:6.1f}" for label, recall in lowest),
        ]

    def _most_confused(self) -> list[str]:
        pairs = Counter(
            {
                (label, found): count / sum(of_label.values())
                for label, of_label in self.confusion.items()
                for found, count in of_label.items()
                if found != label
            }
        )
        shown = [
            f"  {label} -> {found}: {100 * share:.0f} % ({self.confusion[label][found]} queries)"
            for (label, found), share in pairs.most_common(CONFUSED)
        ]
        return ["most often mistaken, query -> nearest neighbour", *shown] if shown else []


def evaluate(
    query_embeddings: Float[np.ndarray, "q ... d"],
    query_labels: Sequence[str],
    gallery_embeddings: Float[np.ndarray, "n ... d"],
    gallery_labels: Sequence[str],
    *,
    ks: Sequence[int] = RECALL_AT,
    centre: bool = False,
    average_precision: bool = True,
    protocol: str = "cosine, any match in the top k",
) -> RetrievalScores:
    """Score the retrieval of every query's label in the gallery.

    Exact, in blocks: memory grows with the vectors, never with queries times gallery.

    Args:
        query_embeddings: One vector a video, or one a clip, which are averaged.
        query_labels: Their labels.
        gallery_embeddings: As the queries.
        gallery_labels: Their labels.
        ks: The k of R@k; a k beyond the gallery means the whole gallery.
        centre: Subtract the queries' mean from the queries, the gallery's from the gallery.
        average_precision: Also the mAP. It sorts the gallery for every query, which the rest does
            not; with a million videos that is most of the time.
        protocol: Words that are kept beside the numbers.
    """
    _require_one_label_each(query_embeddings, query_labels, "queries")
    _require_one_label_each(gallery_embeddings, gallery_labels, "gallery")
    sides = (query_embeddings, query_labels, gallery_embeddings, gallery_labels)
    k = max(ks, default=1)
    few_will_do = not average_precision and k <= FEW and len(gallery_labels) > GALLERY_BLOCK
    scored = (
        _from_the_nearest(*sides, k=k, centre=centre)
        if few_will_do
        else _from_whole_rows(*sides, centre=centre, average_precision=average_precision)
    )
    first, precision = np.empty(len(query_labels)), np.empty(len(query_labels))
    confusion: dict[str, Counter[str]] = {label: Counter() for label in sorted(set(query_labels))}
    for query, (label, found) in enumerate(zip(query_labels, scored, strict=True)):
        confusion[label][gallery_labels[found.nearest]] += 1
        first[query], precision[query] = found.first, found.precision
    return RetrievalScores(
        recall={k: float((first <= k).mean()) for k in ks},
        mean_average_precision=float(precision.mean()),
        queries=len(query_labels),
        gallery=len(gallery_labels),
        unmatched_queries=int(np.isinf(first).sum()),
        per_class_recall={
            label: found[label] / found.total() for label, found in confusion.items()
        },
        confusion={label: dict(found.most_common()) for label, found in confusion.items()},
        protocol=protocol,
    )


class _Found(NamedTuple):
    """What one query found.

    Attributes:
        nearest: Place of the most similar gallery video.
        first: Rank of the first match, from 1; infinity when its label is not in the gallery.
        precision: Average precision; NaN when it was left out.
    """

    nearest: int
    first: float
    precision: float


def _from_the_nearest(
    queries: Float[np.ndarray, "q ... d"],
    query_labels: Sequence[str],
    gallery: Float[np.ndarray, "n ... d"],
    gallery_labels: Sequence[str],
    *,
    k: int,
    centre: bool,
) -> Iterator[_Found]:
    """Look for matches among the k nearest; a first match beyond them has the rank k + 1."""
    labels, known = np.asarray(gallery_labels, dtype=str), set(gallery_labels)
    order = rank(queries, gallery, k, centre=centre).indices
    for label, places in zip(query_labels, order, strict=True):
        matches = np.flatnonzero(labels[places] == label)
        beyond = k + 1.0 if label in known else math.inf
        first = matches[0] + 1.0 if len(matches) else beyond
        yield _Found(int(places[0]), float(first), math.nan)


def _from_whole_rows(
    queries: Float[np.ndarray, "q ... d"],
    query_labels: Sequence[str],
    gallery: Float[np.ndarray, "n ... d"],
    gallery_labels: Sequence[str],
    *,
    centre: bool,
    average_precision: bool,
) -> Iterator[_Found]:
    """Rank every match of every query."""
    members, nothing = _members(gallery_labels), np.empty(0, dtype=np.int64)
    rows = similarity_rows(queries, gallery, centre=centre)
    for label, row in zip(query_labels, rows, strict=True):
        matches = members.get(label, nothing)
        score = _score(row, matches, average_precision=average_precision)
        yield _Found(int(row.argmax()), *score)


def _score(
    row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"], *, average_precision: bool
) -> tuple[float, float]:
    """Return the rank of the first match (infinity without one) and the average precision."""
    if len(matches) == 0:
        return math.inf, 0.0 if average_precision else math.nan
    if not average_precision:
        return float(first_match_rank(row, matches)), math.nan
    ranks = match_ranks(row, matches)
    return float(ranks[0]), float((np.arange(1, len(ranks) + 1) / ranks).mean())


def _members(labels: Sequence[str]) -> dict[str, Int[np.ndarray, " m"]]:
    """Return the places of every label, ascending."""
    names, code = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    by_name = np.argsort(code, kind="stable")
    places = np.split(by_name, np.cumsum(np.bincount(code))[:-1])
    return dict(zip(names.tolist(), places, strict=True))


def _require_one_label_each(embeddings: np.ndarray, labels: Sequence[str], side: str) -> None:
    if len(embeddings) != len(labels):
        raise ValueError(f"{side}: {len(embeddings)} embeddings but {len(labels)} labels")
