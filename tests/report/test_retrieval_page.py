"""The page has the scores, the baselines, and rows of the protocol's own ranking."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slic.embeddings import Embeddings
from slic.evaluation.base import LabelledSplit
from slic.evaluation.ranking import rank
from slic.evaluation.retrieval import (
    RetrievalScores,
    chance_precision,
    chance_recall,
    evaluate,
)
from slic.report.neighbour_rows import NeighbourRow
from slic.report.retrieval_page import (
    headline,
    retrieval_rows,
    retrieval_summary,
    write_retrieval_page,
)
from slic.videos.catalog import Catalog


@pytest.fixture(scope="module")
def split(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> LabelledSplit:
    """Return three queries of three actions and nine gallery videos."""
    folder = tmp_path_factory.mktemp("page")
    for number in range(12):
        make_video(folder / f"{number:02}.mp4", frames=6, size=(64, 48))
    catalog = Catalog.from_folder(folder, progress=False)
    queries, gallery = ([v.id for v in part] for part in (catalog[:3], catalog[3:]))
    labels = ["jump", "run", "<b>wave</b>"]
    return LabelledSplit(
        train=catalog.subset(gallery),
        train_labels=labels * 3,
        test=catalog.subset(queries),
        test_labels=labels,
    )


def embeddings_of(catalog: Catalog, seed: int) -> Embeddings:
    clips = np.random.default_rng(seed).normal(size=(len(catalog), 2, 6)) + 1.0
    ids = tuple(video.id for video in catalog)
    return Embeddings(
        ids=ids, clips=clips.astype(np.float32), encoder="0123", layer="head", modality="rgb"
    )


@pytest.fixture(scope="module")
def embedded(split: LabelledSplit) -> tuple[Embeddings, Embeddings]:
    return embeddings_of(split.test, 0), embeddings_of(split.train, 1)


def scores_of(
    split: LabelledSplit, embedded: tuple[Embeddings, Embeddings], **options: bool
) -> RetrievalScores:
    query, gallery = (part.clips for part in embedded)
    return evaluate(query, split.test_labels, gallery, split.train_labels, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("centre", [True, False])
def test_rows_are_the_ranking_of_the_protocol(
    split: LabelledSplit, embedded: tuple[Embeddings, Embeddings], centre: bool
) -> None:
    query, gallery = embedded
    rows: list[NeighbourRow] = retrieval_rows(split, query, gallery, centre=centre)
    order = rank(query.clips, gallery.clips, 6, centre=centre).indices
    assert len(rows) == 3
    for row in rows:
        place = query.ids.index(row.query.name)
        assert [tile.name for tile in row.neighbours] == [gallery.ids[i] for i in order[place]]
        assert row.query.strip is not None


def test_the_headline_has_the_baselines(
    split: LabelledSplit, embedded: tuple[Embeddings, Embeddings]
) -> None:
    scores, other = scores_of(split, embedded, centre=True), scores_of(split, embedded)
    first, fifth, precision = headline(scores, {"mean frame": other}, split)
    assert first.baselines == {"chance": chance_recall(split), "mean frame": other.recall[1]}
    assert (first.value, fifth.value) == (scores.recall[1], scores.recall[5])
    assert precision.baselines == {
        "chance": chance_precision(split),
        "mean frame": other.mean_average_precision,
    }
    without = scores_of(split, embedded, average_precision=False)
    assert len(headline(without, {}, split)) == 2


@pytest.mark.parametrize(
    ("recall", "verdict"), [(1.0, "finds more"), (0.5, "may be luck"), (0.0, "finds less")]
)
def test_the_summary_says_whether_the_best_baseline_is_beaten(
    split: LabelledSplit, embedded: tuple[Embeddings, Embeddings], recall: float, verdict: str
) -> None:
    scores = replace(scores_of(split, embedded), recall={1: recall, 5: 1.0}, queries=100)
    other = replace(scores, recall={1: 0.45, 5: 1.0})
    asked, _, beside, meaning = (text for _, text in retrieval_summary(scores, {"x": other}, split))
    assert asked.startswith("Each of 3 videos was a query in a gallery of 9 others, of 3 labels")
    assert beside == "The same search by chance 33.3 %, x 45.0 %."
    assert verdict in meaning


def test_the_page_has_the_settings_and_escapes_labels(
    split: LabelledSplit, embedded: tuple[Embeddings, Embeddings], tmp_path: Path
) -> None:
    query, gallery = embedded
    write_retrieval_page(
        tmp_path / "page.html",
        scores=scores_of(split, embedded),
        beside={},
        rows=retrieval_rows(split, query, gallery, centre=False),
        split=split,
        facts=[("encoder", "0123abcd")],
    )
    page = (tmp_path / "page.html").read_text()
    assert "0123abcd" in page
    assert page.count('class="row"') == 3
    assert "<b>wave" not in page
