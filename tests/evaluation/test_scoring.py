"""Sides by split, chance by counting every choice, and scores beside embeddings made by hand."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.datasets import Labels
from slic.embeddings import AllWindows, Layer, embed
from slic.errors import CatalogError, LabelError, RecipeError
from slic.evaluation import mean_frame
from slic.evaluation.retrieval import PROTOCOLS, evaluate
from slic.evaluation.scoring import (
    LabelObserver,
    Sides,
    chance,
    mean_frame_scores,
    named_protocol,
    score_retrieval,
    sides,
)
from slic.models.encoder import EncoderConfig, VideoEncoder
from slic.videos.catalog import Catalog

LABELS = Labels(
    label={f"{n}.mp4": "ab"[n % 2] for n in range(7)},
    split={f"{n}.mp4": "test" if n < 2 else "train" for n in range(7)},
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return six videos; the seventh that has a label is not there."""
    folder = tmp_path_factory.mktemp("scored")
    for number in range(6):
        make_video(folder / f"{number}.mp4", frames=8 + 4 * number, size=(64, 48))
    return Catalog.from_folder(folder, progress=False)


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    """Return a tiny encoder with random weights."""
    torch.manual_seed(0)
    return VideoEncoder(
        EncoderConfig(
            backbone="r3d10", width=0.125, hidden=8, embedding=4, frames=4, stride=1, size=32
        )
    ).eval()


def test_sides_are_the_splits_without_what_is_not_there(catalog: Catalog) -> None:
    split = sides(catalog, LABELS, queries="test", gallery="train")
    assert [v.id for v in split.queries] == ["0.mp4", "1.mp4"]
    assert [v.id for v in split.gallery] == ["2.mp4", "3.mp4", "4.mp4", "5.mp4"]
    assert (split.query_labels, split.gallery_labels) == (["a", "b"], ["a", "b", "a", "b"])
    assert split.absent == ("6.mp4",)


def test_an_unknown_split_names_those_there_are(catalog: Catalog) -> None:
    with pytest.raises(LabelError, match=r"'val'; splits in the file: test, train"):
        sides(catalog, LABELS, queries="val", gallery="train")


def test_a_split_is_not_searched_in_itself(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match="'train' cannot be queries and gallery"):
        sides(catalog, LABELS, queries="train", gallery="train")


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_chance_counts_every_choice_of_neighbours(catalog: Catalog, k: int) -> None:
    gallery = ["a", "a", "b", "c", "a"]
    queries = ["a", "b", "d", "a"]
    choices = list(combinations(gallery, min(k, len(gallery))))
    hits = [label in choice for label in queries for choice in choices]
    split = Sides(catalog, catalog, queries, gallery)
    assert chance(split, k) == pytest.approx(np.mean(hits))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_scores_are_those_of_the_embeddings_that_the_protocol_names(
    catalog: Catalog, encoder: VideoEncoder, name: str
) -> None:
    split = sides(catalog, LABELS, queries="test", gallery="train")
    scores, query, gallery = score_retrieval(
        encoder, split, protocol=name, workers=0, progress=False
    )
    layer: Layer = "head" if "paper" in name else "backbone"
    windows = name == "sliding-windows"
    clips: int | AllWindows = "windows" if windows else 10
    expected = [
        embed(encoder, side, clips=clips, layer=layer, workers=0, progress=False).clips
        for side in (split.queries, split.gallery)
    ]
    assert np.array_equal(query.clips, expected[0])
    assert np.array_equal(gallery.clips, expected[1])
    plain = evaluate(
        expected[0],
        split.query_labels,
        expected[1],
        split.gallery_labels,
        centre=windows or "centred" in name,
    )
    assert scores.recall == plain.recall
    assert scores.mean_average_precision == plain.mean_average_precision
    mean = "all half-overlapping windows, each of length 1" if windows else "10 clips"
    assert scores.protocol.startswith(f"{name}: {layer} output, mean over {mean}")


def test_without_a_head_nothing_is_called_its_output(
    catalog: Catalog, encoder: VideoEncoder
) -> None:
    headless = VideoEncoder(replace(encoder.config, hidden=0, embedding=0)).eval()
    split = sides(catalog, LABELS, queries="test", gallery="train")
    with pytest.raises(RecipeError, match="has no head; take 'backbone-centred'"):
        score_retrieval(headless, split, protocol="paper-centred", workers=0, progress=False)
    made = embed(headless, split.queries, clips=1, layer="head", workers=0, progress=False)
    assert made.layer == "backbone"


def test_an_unknown_protocol_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match="no protocol 'papre'; there are paper, backbone"):
        named_protocol("papre")


def test_the_observer_sees_how_clusters_agree() -> None:
    seen = LabelObserver(LABELS).clustered(["0.mp4", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 5, 7])
    assert (seen["nmi"], seen["ami"], seen["purity"]) == pytest.approx((1, 1, 1))
    more = LabelObserver(LABELS).clustered(
        ["0.mp4", "x", "1.mp4", "2.mp4", "3.mp4"], [5, 7, 7, 5, 7]
    )
    assert more == seen  # a video without a label does not count
    assert LabelObserver(LABELS).clustered(["x"], [0]) == {}


def test_the_mean_frame_finds_the_copy_of_a_video(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = Sides(catalog, catalog, [v.id for v in catalog], [v.id for v in catalog])
    scores = mean_frame_scores(split, cache=tmp_path, progress=False)
    assert scores.recall[1] == 1.0
    monkeypatch.setattr(mean_frame, "standardised", None)  # so that none can be made again
    assert mean_frame_scores(split, cache=tmp_path, progress=False) == scores
