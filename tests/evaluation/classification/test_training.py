"""The paper's schedule by hand, its proportions for other lengths, and training against a loop."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from slic.clips.augmentation import Augmentation
from slic.clips.reader import ClipReader
from slic.errors import ProtocolError, TrainingError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification import (
    ClassificationTask,
    FineTuning,
    LinearTraining,
    classifier,
)
from slic.evaluation.classification.classifier import drop_features
from slic.evaluation.classification.clips import LabelledBatchSampler, LabelledClipDataset
from slic.evaluation.classification.training import CHECKPOINT_FORMAT
from slic.models.encoder import VideoEncoder, to_input
from slic.runs import load_checkpoint


def test_the_defaults_are_the_papers() -> None:
    paper = FineTuning()
    assert (paper.epochs, paper.learning_rate, paper.backbone_learning_rate) == (150, 1e-3, 1e-4)
    assert (paper.weight_decay, paper.dropout, paper.drop_epochs) == (1e-3, 0.9, (60, 100))
    assert (paper.batch_size, LinearTraining().dropout, paper.test_aspect) == (32, 0.0, "kept")
    assert (
        paper.augmentation
        == LinearTraining().augmentation
        == Augmentation(
            crop_from="native",
            area=(0.2, 1.0),
            ratio=(3 / 4, 4 / 3),
            flip=0.5,
            jitter=(0.4, 0.4, 0.4, 0.1),
            jitter_probability=0.3,
            grey=0.0,
            blur=0.0,
        )
    )
    by_hand = [1.0] * 60 + [0.1] * 40 + [0.01] * 50
    assert [paper.rate_factor(epoch) for epoch in range(150)] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("epochs", "drops"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (15, (6, 10)), (300, (120, 200))]
)
def test_another_length_keeps_the_proportions(epochs: int, drops: tuple[int, int]) -> None:
    settings = LinearTraining(epochs=epochs)
    assert settings.drop_epochs == drops
    factors = [settings.rate_factor(epoch) for epoch in range(epochs)]
    first, second = drops
    by_hand = [1.0] * first + [0.1] * (second - first) + [0.01] * (epochs - second)
    assert factors == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("epochs", 0, "epochs is 0, but it must be above 0"),
        ("learning_rate", math.nan, "learning_rate is nan, but it must be above 0"),
        ("backbone_learning_rate", 0.0, "backbone_learning_rate is 0.0, but"),
        ("weight_decay", -1.0, "weight_decay is -1.0, but it must be 0 or more"),
        ("dropout", 1.0, "dropout is 1.0, but it must be at least 0 and below 1"),
    ],
)
def test_an_impossible_value_is_named(name: str, value: float, rule: str) -> None:
    with pytest.raises(ProtocolError, match=rule):
        FineTuning(**{name: value})  # type: ignore[arg-type]


def test_linear_training_is_adam_on_features_of_the_frozen_backbone(
    encoder: VideoEncoder,
    split: LabelledSplit,
    task: ClassificationTask,
    quick: LinearTraining,
    tmp_path: Path,
) -> None:
    """A plain loop over features of the same clips gives the same linear layer."""
    protocol = replace(quick, dropout=0.0, epochs=2, out=tmp_path)
    protocol.score(encoder, split, workers=0, progress=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = torch.nn.Linear(64, 2)
    adam = torch.optim.Adam(linear.parameters(), lr=1e-2, weight_decay=1e-3)
    reader = ClipReader(frames=8, stride=1, size=32)
    dataset = LabelledClipDataset(task, reader, quick.augmentation, seed=0)
    batches = LabelledBatchSampler(16, batch_size=8, seed=0)
    for epoch in range(2):
        adam.param_groups[0]["lr"] = [1e-2, 1e-3][epoch]  # the first drop is at epoch 1 of 2
        batches.start_epoch(epoch, first_batch=0)
        for indices in batches:
            samples = [dataset[index] for index in indices]
            with torch.no_grad():
                features = torch.cat([encoder.features(to_input(s.clips[None])) for s in samples])
            targets = torch.stack([s.targets for s in samples])
            adam.zero_grad()
            log_probabilities = linear(features).log_softmax(dim=1)
            (-log_probabilities[torch.arange(8), targets].mean()).backward()
            adam.step()
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "last.pt", version=CHECKPOINT_FORMAT)
    assert torch.allclose(checkpoint["trained_part"]["weight"], linear.weight, atol=1e-5)
    assert torch.allclose(checkpoint["trained_part"]["bias"], linear.bias, atol=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(
    encoder: VideoEncoder, split: LabelledSplit, quick: LinearTraining, tmp_path: Path
) -> None:
    torch.nn.init.constant_(next(encoder.parameters()), torch.nan)
    with pytest.raises(TrainingError, match="epoch 1, batch 1: the loss is nan"):
        replace(quick, out=tmp_path).score(encoder, split, workers=0, progress=False)


def test_every_step_has_its_own_dropout_and_a_repeated_run_has_the_same(
    encoder: VideoEncoder,
    split: LabelledSplit,
    quick: LinearTraining,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []

    def spy(features: Tensor, *, probability: float, generator: Generator) -> Tensor:
        seeds.append(generator.initial_seed())
        return drop_features(features, probability=probability, generator=generator)

    monkeypatch.setattr(classifier, "drop_features", spy)
    for number in range(2):
        protocol = replace(quick, epochs=2, out=tmp_path / f"{number}")
        protocol.score(encoder, split, workers=0, progress=False)
    first, second = seeds[:4], seeds[4:]  # two epochs of two batches
    assert len(set(first)) == 4
    assert first == second
