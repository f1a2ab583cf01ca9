"""A round clusters what its options name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from jaxtyping import Float

from slic.clips.clip_dataset import ClipDataset
from slic.clustering.base import PseudoLabels
from slic.models.backbones.motion_descriptor import motion_features
from slic.models.encoder import to_input
from slic.pretraining import rounds
from slic.pretraining.build import build_encoder, build_reader, build_run
from slic.pretraining.distributed import Processes
from slic.pretraining.rounds import ClusteringRounds, motion_descriptors
from slic.recipe import Recipe, RoundOptions, load_recipe
from slic.videos.catalog import Catalog


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return load_recipe(tiny, ["--sampling.flow_probability=0"])


@pytest.fixture
def round_of(recipe: Recipe, catalog: Catalog) -> ClusteringRounds:
    return build_run(recipe, catalog, Processes(Accelerator(cpu=True)), progress=False).rounds


class Noting:
    """Keeps what it was asked to cluster."""

    def __call__(self, x: Float[np.ndarray, "n d"], *, seed: int) -> PseudoLabels:
        self.x, self.seed = x, seed
        return PseudoLabels(np.arange(len(x)))


def test_rounds_come_every_so_many_epochs(round_of: ClusteringRounds) -> None:
    assert [epoch for epoch in range(7) if round_of.due(epoch)] == [0, 2, 4, 6]


def test_a_late_first_round_leaves_every_video_alone_until_then(
    round_of: ClusteringRounds, recipe: Recipe, catalog: Catalog
) -> None:
    noting: Any = Noting()
    options = RoundOptions(first_epoch=3, every_epochs=2, inputs=("rgb",), first_inputs=("motion",))
    part = replace(round_of, clusterer=noting, options=options)
    assert [epoch for epoch in range(9) if part.due(epoch)] == [0, 3, 5, 7]
    encoder = build_encoder(recipe)
    assert part.cluster(encoder, epoch=0)["embedding"].clusters == len(catalog)
    assert not hasattr(noting, "x")
    part.cluster(encoder, epoch=3)
    assert noting.x.shape[1] != encoder.embedding_size  # the inputs of the first round
    part.cluster(encoder, epoch=5)
    assert noting.x.shape[1] == encoder.embedding_size


def test_descriptors_are_means_over_the_clips_of_a_video(recipe: Recipe, catalog: Catalog) -> None:
    reader = build_reader(recipe, catalog)
    device = torch.device("cpu")
    found = motion_descriptors(catalog, reader, clips=2, workers=0, device=device)
    dataset = ClipDataset(catalog, reader, clips=2)
    for row, clips in zip(found, dataset, strict=False):  # type: ignore[call-overload]
        alone = [motion_features(to_input(clip[None])).descriptor[0] for clip in clips]
        np.testing.assert_allclose(row, torch.stack(alone).mean(0), atol=1e-3)


def test_the_first_round_may_cluster_something_else(
    round_of: ClusteringRounds, recipe: Recipe, catalog: Catalog
) -> None:
    noting: Any = Noting()
    options = RoundOptions(inputs=("rgb",), first_inputs=("motion", "rgb"))
    part = replace(round_of, clusterer=noting, options=options)
    encoder = build_encoder(recipe)
    part.cluster(encoder, epoch=0)
    first = noting.x
    part.cluster(encoder, epoch=2)
    assert noting.x.shape == (len(catalog), encoder.embedding_size)
    np.testing.assert_allclose(first[:, -encoder.embedding_size :], noting.x, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 2**0.5, rtol=1e-5)  # two unit parts


def test_a_clustering_without_embeddings_embeds_nothing(
    round_of: ClusteringRounds, recipe: Recipe, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be embedded")

    monkeypatch.setattr(rounds, "embed", refuse)
    part = replace(
        round_of, clusterer=load_recipe("motion", ["--clustering=none"]).build("clustering")
    )
    labels = part.cluster(build_encoder(recipe), epoch=0)["embedding"]
    assert labels.labels.tolist() == list(range(len(catalog)))
