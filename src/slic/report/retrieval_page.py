"""A page with the scores of a retrieval, its baselines, and example queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from slic.embeddings import Embeddings
from slic.evaluation.base import LabelledSplit
from slic.evaluation.ranking import rank
from slic.evaluation.retrieval import RetrievalScores, chance_recall
from slic.report.neighbour_rows import NEIGHBOURS, NeighbourRow, neighbour_rows
from slic.report.run_report import HeadlineScore, write_report
from slic.videos.thumbnails import filmstrip


def write_retrieval_page(
    path: Path,
    *,
    scores: RetrievalScores,
    beside: Mapping[str, RetrievalScores],
    rows: Sequence[NeighbourRow],
    split: LabelledSplit,
    facts: Sequence[tuple[str, str]],
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        scores: Scores of the encoder.
        beside: Name and scores of each baseline; chance is added.
        rows: Example queries, see `retrieval_rows`.
        split: Queries and gallery.
        facts: Name and value of each setting.

    Raises:
        WriteError: The file cannot be written.
    """
    lowest = sorted(scores.per_class_recall.items(), key=lambda item: item[1])
    in_words = ", ".join(f"{label} {100 * recall:.0f}" for label, recall in lowest)
    write_report(
        path,
        title="Retrieval",
        facts=[*facts, ("R@1 by label, lowest first", in_words)],
        headline=headline(scores, beside, split),
        log=[],
        rows=rows,
    )


def headline(
    scores: RetrievalScores, beside: Mapping[str, RetrievalScores], split: LabelledSplit
) -> list[HeadlineScore]:
    """Return R@1, R@5 and, if it was computed, mAP, with their baselines.

    Args:
        scores: Scores of the encoder.
        beside: Name and scores of each baseline; chance is added.
        split: Queries and gallery.
    """
    found = []
    for k in (1, 5):
        value = scores.recall[k]
        baselines = {name: other.recall[k] for name, other in beside.items()}
        found.append(
            HeadlineScore(
                name=f"R@{k}, queries among the gallery",
                value=value,
                protocol=scores.protocol,
                baselines={"chance": chance_recall(split, k)} | baselines,
                standard_error=float(np.sqrt(value * (1 - value) / scores.queries)),
            )
        )
    if not np.isnan(scores.mean_average_precision):
        found.append(
            HeadlineScore(
                name="mean average precision",
                value=scores.mean_average_precision,
                protocol=scores.protocol,
                baselines={name: other.mean_average_precision for name, other in beside.items()},
            )
        )
    return found


def retrieval_rows(
    split: LabelledSplit, query: Embeddings, gallery: Embeddings, *, centre: bool
) -> list[NeighbourRow]:
    """Return example queries with their nearest neighbours and moving thumbnails.

    Args:
        split: Queries and gallery.
        query: Embeddings of the queries.
        gallery: Embeddings of the gallery.
        centre: Subtract the mean of each part, as the protocol does.
    """
    by_id = {video.id: video for video in (*split.test, *split.train)}
    return neighbour_rows(
        rank(query.clips, gallery.clips, NEIGHBOURS, centre=centre),
        query_names=query.ids,
        query_labels=split.test_labels,
        gallery_names=gallery.ids,
        gallery_labels=split.train_labels,
        strip_of=lambda name: filmstrip(by_id[name]),
    )
