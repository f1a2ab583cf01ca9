"""``compat: official`` restores the oddities, and nothing else differs."""

from pathlib import Path

import numpy as np
import pytest

from slic.clips.flow import FlowOptions
from slic.clips.spans import official_placement, random_placement
from slic.clustering.finch import FINCH
from slic.clustering.one_per_video import OneClusterPerVideo
from slic.losses import InfoNCELoss, TripletLoss
from slic.models.backbones import ClipSpec
from slic.pretraining.build import build_objective
from slic.pretraining.compat import COMPAT, ShiftedClusterer
from slic.pretraining.grouping import GroupedObjective
from slic.recipe import load_recipe
from slic.videos.catalog import Catalog


def test_the_method_changes_nothing(catalog: Catalog) -> None:
    none, finch, flow = COMPAT["none"], FINCH(), FlowOptions()
    loss = TripletLoss()
    assert none.wrap_loss(loss) is loss
    assert none.select_videos(catalog, ClipSpec(frames=8)) is catalog
    assert none.wrap_clusterer(finch) is finch
    assert none.flow(flow) is flow
    assert none.place_pair is random_placement


def test_every_video_has_the_label_of_the_one_before_it() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    plain, shifted = FINCH()(x, seed=0), ShiftedClusterer(FINCH())(x, seed=0)
    assert shifted.labels.tolist() == [plain.labels[-1], *plain.labels[:-1]]
    assert not ShiftedClusterer(OneClusterPerVideo()).needs_embeddings


def test_short_videos_are_left_out_and_counted(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    kept = COMPAT["official"].select_videos(catalog, ClipSpec(frames=8))
    assert [v.id for v in kept] == [v.id for v in catalog if v.frames >= 16]
    left_out = len(catalog) - len(kept)
    assert 0 < left_out < len(catalog)
    assert f"{left_out} videos with fewer than 16 frames are left out" in caplog.text


def test_only_triplets_have_the_fallback_negative(tiny: Path) -> None:
    official = COMPAT["official"]
    loss = TripletLoss(margin=0.3)
    assert official.wrap_loss(loss) == TripletLoss(margin=0.3, fallback="list-position")
    assert official.wrap_loss(InfoNCELoss()) == InfoNCELoss()
    words = ["--compat=official", "--loss=triplet"]
    objective = build_objective(load_recipe(tiny, [*words, "--train.groups=2"]))
    assert isinstance(objective, GroupedObjective)
    assert objective.objective.instance == TripletLoss(fallback="list-position")


def test_placement_and_flow_are_the_authors() -> None:
    assert COMPAT["official"].place_pair is official_placement
    assert COMPAT["official"].flow(FlowOptions(bound=0.05)) == FlowOptions(
        bound=0.05, as_picture=True
    )
