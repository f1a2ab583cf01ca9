"""A page with the scores of a retrieval, its baselines, and example queries."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from slic.embeddings import Embeddings
from slic.evaluation.base import LabelledSplit
from slic.evaluation.ranking import rank
from slic.evaluation.retrieval import RetrievalScores, chance_precision, chance_recall
from slic.report.neighbour_rows import NEIGHBOURS, NeighbourRow, neighbour_rows
from slic.report.run_report import HeadlineScore, write_report
from slic.videos.thumbnails import filmstrip

MEANING = {
    "R@1": "Share of the queries whose most similar gallery video has their label.",
    "R@5": "Share of the queries with a video of their label among the five most similar.",
    "mAP": "100 % if, for every query, all videos of its label come before all others.",
}
BASELINES = {
    "chance": "a gallery in random order.",
    "mean frame": "the average picture of each video, small and grey. It needs no encoder, and "
    "shows what the scene alone tells.",
    "random weights": "the same network before any training.",
    "before learning": "the built-in encoder, from which training starts.",
}
"""What each baseline of a retrieval is."""


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
        summary=retrieval_summary(scores, beside, split),
        headline=headline(scores, beside, split),
        baselines=describe_baselines(beside),
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
                name=f"R@{k}",
                value=value,
                protocol=scores.protocol,
                meaning=MEANING[f"R@{k}"],
                baselines={"chance": chance_recall(split, k)} | baselines,
                standard_error=_standard_error(scores) if k == 1 else None,
            )
        )
    if not np.isnan(scores.mean_average_precision):
        baselines = {name: other.mean_average_precision for name, other in beside.items()}
        found.append(
            HeadlineScore(
                name="mean average precision",
                value=scores.mean_average_precision,
                protocol=scores.protocol,
                meaning=MEANING["mAP"],
                baselines={"chance": chance_precision(split)} | baselines,
            )
        )
    return found


def retrieval_summary(
    scores: RetrievalScores, beside: Mapping[str, RetrievalScores], split: LabelledSplit
) -> list[tuple[str, str]]:
    """Return what was asked, what came out, and beside what, in words.

    Args:
        scores: Scores of the encoder.
        beside: Name and scores of each baseline; chance is added.
        split: Queries and gallery.
    """
    queries, gallery = len(split.test_labels), len(split.train_labels)
    classes = len({*split.test_labels, *split.train_labels})
    others = {"chance": chance_recall(split)} | {n: s.recall[1] for n, s in beside.items()}
    in_words = ", ".join(f"{name} {100 * value:.1f} %" for name, value in others.items())
    return [
        (
            "What was asked",
            f"Each of {queries} videos was a query in a gallery of {gallery} others, of {classes} "
            "labels in all. Does the most similar video have the label of the query?",
        ),
        ("What came out", f"For {100 * scores.recall[1]:.1f} % of the queries it has."),
        ("Beside what", f"The same search by {in_words}."),
        ("What it means", _verdict(scores, max(others.values()))),
    ]


def describe_baselines(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names of baselines with what they are, those without a text left out."""
    return [(name, BASELINES[name]) for name in ("chance", *names) if name in BASELINES]


def _standard_error(scores: RetrievalScores) -> float | None:
    """Return the standard error of R@1; None where the formula says 0, which would mislead."""
    value = scores.recall[1]
    return float(np.sqrt(value * (1 - value) / scores.queries)) or None


def _verdict(scores: RetrievalScores, best_baseline: float) -> str:
    """Return whether R@1 is above the best baseline by two standard errors."""
    margin = 2 * (_standard_error(scores) or 1 / scores.queries)
    gap = scores.recall[1] - best_baseline
    if gap > margin:
        return "The encoder finds more than the best of these, by more than two standard errors."
    if gap < -margin:
        return "The encoder finds less than the best of these: take that one, or learn longer."
    return "The difference from the best of these is within two standard errors: this may be luck."


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
