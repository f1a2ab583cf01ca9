"""Nearest-neighbour retrieval: find the label of a query among its neighbours in a gallery.

R@k is the share of *all* queries with at least one video of their label among their k nearest
gallery videos (any match, as in the paper). A query whose label the gallery lacks counts as a miss.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from slic.evaluation.base import LabelledSplit
from slic.evaluation.ranking import first_match_rank, match_ranks, rank, similarity_rows
from slic.neighbours.exact import GALLERY_BLOCK_ROWS

RECALL_KS = (1, 5, 10, 20, 50)
MAX_TOP_K = 1000  # up to here, keeping the top k of a large gallery is cheaper than whole rows
TABLE_LABELS, TABLE_PAIRS = 10, 5  # rows of the text table; the JSON has all


@dataclass(frozen=True, kw_only=True)
class RetrievalScores:
    """The scores of one retrieval.

    Attributes:
        recall: R@k for each k, in [0, 1].
        mean_average_precision: Mean over the queries of the average precision of the whole ranked
            gallery; a query without a match counts as 0. NaN if it was not computed.
        queries: Number of queries; all of them count.
        gallery: Number of gallery videos.
        unmatched_queries: Number of queries whose label no gallery video has.
        per_class_recall: R@1 of the queries of each label.
        confusion: Label of the queries -> label of the nearest neighbour -> number of queries, the
            most frequent first.
        protocol: The conditions of the evaluation in words.
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
        """Return plain values for JSON; the keys of ``recall`` are ``"1"``, ``"5"``, ..."""
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
        """Return the scores in percent and the protocol as text.

        The table lists the labels of lowest R@1 and the pairs of labels confused most often.
        """
        numbers = {f"R@{k}": value for k, value in self.recall.items()}
        if not math.isnan(self.mean_average_precision):
            numbers["mAP"] = self.mean_average_precision
        sizes = f"{self.queries} queries, gallery of {self.gallery}"
        if self.unmatched_queries:
            sizes += f"; {self.unmatched_queries} queries have no match in it and count as misses"
        return "\n".join(
            [
                f"retrieval ({self.protocol})",
                sizes,
                "".join(f"{name:>8}" for name in numbers),
                "".join(f"{100 * value:>8.1f}" for value in numbers.values()),
                *self._lowest_label_lines(),
                *self._confused_pair_lines(),
            ]
        )

    def _lowest_label_lines(self) -> list[str]:
        lowest = sorted(self.per_class_recall.items(), key=lambda item: item[1])[:TABLE_LABELS]
        width = max(len(label) for label, _ in lowest)
        of = f", the {TABLE_LABELS} lowest of {len(self.per_class_recall)}"
        return [
            f"R@1 by label{of if len(self.per_class_recall) > TABLE_LABELS else ''}",
            *(f"  {label:<{width}} {100 * recall:6.1f}" for label, recall in lowest),
        ]

    def _confused_pair_lines(self) -> list[str]:
        shares = Counter(
            {
                (label, found): count / sum(of_label.values())
                for label, of_label in self.confusion.items()
                for found, count in of_label.items()
                if found != label
            }
        )
        lines = [
            f"  {label} -> {found}: {100 * share:.0f} % (queries: {self.confusion[label][found]})"
            for (label, found), share in shares.most_common(TABLE_PAIRS)
        ]
        return ["most often mistaken, query -> nearest neighbour", *lines] if lines else []


def evaluate(
    query_embeddings: Float[np.ndarray, "q ... d"],
    query_labels: Sequence[str],
    gallery_embeddings: Float[np.ndarray, "n ... d"],
    gallery_labels: Sequence[str],
    *,
    ks: Sequence[int] = RECALL_KS,
    centre: bool = False,
    average_precision: bool = True,
    protocol: str = "cosine, any match in the top k",
) -> RetrievalScores:
    """Score the retrieval of labels by exact cosine nearest neighbours.

    Memory grows with the number of vectors, not with queries times gallery.

    Args:
        query_embeddings: One vector per video, or one per clip; clips are averaged.
        query_labels: One label per query.
        gallery_embeddings: The same for the gallery.
        gallery_labels: One label per gallery video.
        ks: The k of R@k. A k larger than the gallery means the whole gallery.
        centre: Subtract the mean of the queries from the queries, that of the gallery from the
            gallery.
        average_precision: Compute the mean average precision too. It needs the gallery sorted for
            every query, which takes most of the time with a million videos.
        protocol: The conditions in words, kept beside the numbers.

    Returns:
        The scores. Of equal similarities, the video earlier in the gallery is the nearer one.

    Example:
        >>> evaluate(queries, ["run", "wave"], gallery, ["run", "jump", "wave"]).recall[1]
        0.5
    """
    _require_one_label_each(query_embeddings, query_labels, "queries")
    _require_one_label_each(gallery_embeddings, gallery_labels, "gallery")
    sides, labels = (query_embeddings, gallery_embeddings), (query_labels, gallery_labels)
    k = max(ks, default=1)
    if len(gallery_labels) > GALLERY_BLOCK_ROWS and k <= MAX_TOP_K and not average_precision:
        results = _results_from_top_k(rank(*sides, k, centre=centre).indices, *labels)
    else:
        rows = similarity_rows(*sides, centre=centre)
        results = _results_from_rows(rows, *labels, average_precision=average_precision)
    first, precision = np.empty(len(query_labels)), np.empty(len(query_labels))
    confusion: dict[str, Counter[str]] = {label: Counter() for label in sorted(set(query_labels))}
    for query, (label, result) in enumerate(zip(query_labels, results, strict=True)):
        confusion[label][gallery_labels[result.nearest]] += 1
        first[query], precision[query] = result.first_match, result.average_precision
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


def chance_recall(split: LabelledSplit, k: int = 1) -> float:
    """Return the expected R@k of k different gallery videos drawn at random.

    A k larger than the gallery means the whole gallery.
    """
    size, count = len(split.train_labels), Counter(split.train_labels)
    k = min(k, size)
    misses = [math.comb(size - count[label], k) / math.comb(size, k) for label in split.test_labels]
    return 1.0 - float(np.mean(misses))


def chance_precision(split: LabelledSplit) -> float:
    """Return the expected mean average precision of a gallery in random order.

    With r matches among n videos, the place k of the ranking is a match with probability r / n. Of
    the k - 1 places before it, a share of (r - 1) / (n - 1) are matches then.
    """
    n, count = len(split.train_labels), Counter(split.train_labels)
    harmonic = sum(1 / k for k in range(1, n + 1))
    matches = np.array([count[label] for label in split.test_labels])
    expected = (harmonic + (matches - 1) / max(n - 1, 1) * (n - harmonic)) / n
    return float(np.where(matches, expected, 0.0).mean())


class _QueryResult(NamedTuple):
    """The result of one query.

    Attributes:
        nearest: Index of the most similar gallery video.
        first_match: Rank of the first match, from 1; infinity if the gallery lacks the label.
        average_precision: NaN if it was not computed.
    """

    nearest: int
    first_match: float
    average_precision: float


def _results_from_top_k(
    order: Int[np.ndarray, "q k"], query_labels: Sequence[str], gallery_labels: Sequence[str]
) -> Iterator[_QueryResult]:
    """Search the k nearest for matches; a first match beyond them gets the rank k + 1."""
    labels, known = np.asarray(gallery_labels, dtype=str), set(gallery_labels)
    for label, indices in zip(query_labels, order, strict=True):
        matches = np.flatnonzero(labels[indices] == label)
        beyond = len(indices) + 1.0 if label in known else math.inf
        first = matches[0] + 1.0 if len(matches) else beyond
        yield _QueryResult(int(indices[0]), float(first), math.nan)


def _results_from_rows(
    rows: Iterator[Float32[np.ndarray, " n"]],
    query_labels: Sequence[str],
    gallery_labels: Sequence[str],
    *,
    average_precision: bool,
) -> Iterator[_QueryResult]:
    """Rank every match of every query in the whole gallery, given a row of similarities each."""
    members, none = _indices_by_label(gallery_labels), np.empty(0, dtype=np.int64)
    for label, row in zip(query_labels, rows, strict=True):
        matches = members.get(label, none)
        scores = _first_match_and_precision(row, matches, average_precision=average_precision)
        yield _QueryResult(int(row.argmax()), *scores)


def _first_match_and_precision(
    row: Float32[np.ndarray, " n"], matches: Int[np.ndarray, " m"], *, average_precision: bool
) -> tuple[float, float]:
    """Return the rank of the first match (infinity without one) and the average precision."""
    if len(matches) == 0:
        return math.inf, 0.0 if average_precision else math.nan
    if not average_precision:
        return float(first_match_rank(row, matches)), math.nan
    ranks = match_ranks(row, matches)
    return float(ranks[0]), float((np.arange(1, len(ranks) + 1) / ranks).mean())


def _indices_by_label(labels: Sequence[str]) -> dict[str, Int[np.ndarray, " m"]]:
    """Return the indices of every label, ascending."""
    names, code = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    by_name = np.argsort(code, kind="stable")
    indices = np.split(by_name, np.cumsum(np.bincount(code))[:-1])
    return dict(zip(names.tolist(), indices, strict=True))


def _require_one_label_each(embeddings: np.ndarray, labels: Sequence[str], part: str) -> None:
    if len(embeddings) != len(labels):
        raise ValueError(f"{part}: {len(embeddings)} embeddings but {len(labels)} labels")
