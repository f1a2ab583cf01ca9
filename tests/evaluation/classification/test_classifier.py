"""What learns and what stays, the optimizer's groups, and the dropout."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator

from slic.evaluation.classification import FineTuning, LinearTraining
from slic.evaluation.classification.classifier import (
    VideoClassifier,
    drop_features,
    random_encoder,
)
from slic.models.encoder import VideoEncoder


def classifier(encoder: VideoEncoder, *, frozen: bool) -> VideoClassifier:
    """Return a classifier of three classes."""
    return VideoClassifier(encoder, 3, frozen=frozen, dropout=0.5, seed=0)


@pytest.mark.parametrize("overrides", [{}, {"embedding": 0}, {"mean_frame_weight": 0.0}])
def test_scores_are_the_linear_layer_on_plain_features(
    make_encoder: Callable[..., VideoEncoder], overrides: dict[str, object]
) -> None:
    encoder = make_encoder(**overrides)
    model = classifier(encoder, frozen=True).eval()
    clips = torch.rand(2, 3, 8, 32, 32)
    with torch.no_grad():
        by_hand = encoder.features(clips) @ model.linear.weight.T + model.linear.bias
        assert torch.allclose(model(clips), by_hand, atol=1e-6)


def test_features_of_motion_are_classified_too(encoder: VideoEncoder) -> None:
    seeing = random_encoder(replace(encoder.config, backbone="slic/motion"), seed=1).eval()
    model, clips = classifier(seeing, frozen=True), torch.rand(2, 3, 8, 32, 32)
    assert torch.equal(model.encoder.features(clips), seeing.features(clips))
    assert model(clips).shape == (2, 3)


def test_a_frozen_backbone_stays_bit_for_bit_in_training_mode(encoder: VideoEncoder) -> None:
    model = classifier(encoder, frozen=True).train()
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    optimizer = LinearTraining().build_optimizer(model)
    clips = torch.rand(4, 3, 8, 32, 32)
    for step in range(3):
        model(clips, Generator().manual_seed(step)).sum().backward()
        optimizer.step()
    after = model.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.linear.training
    assert not any(module.training for module in model.encoder.modules())


def test_fine_tuning_moves_weights_and_statistics_but_not_the_callers(
    encoder: VideoEncoder,
) -> None:
    fingerprint = encoder.fingerprint()
    model = classifier(encoder, frozen=False).train()
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    optimizer = FineTuning().build_optimizer(model)
    model(torch.rand(4, 3, 8, 32, 32)).sum().backward()
    optimizer.step()
    after = model.encoder.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    assert encoder.fingerprint() == fingerprint


def test_the_papers_optimizer(encoder: VideoEncoder) -> None:
    model = classifier(encoder, frozen=False)
    optimizer = FineTuning().build_optimizer(model)
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [
        (1e-3, 1e-3),
        (1e-4, 1e-3),
    ]
    learnt = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in learnt} == {id(p) for p in model.parameters()}
    frozen = classifier(encoder, frozen=True)
    (only,) = LinearTraining().build_optimizer(frozen).param_groups
    assert [tuple(p.shape) for p in only["params"]] == [(3, 64), (3,)]


def test_dropout_is_the_generators_and_keeps_the_mean() -> None:
    features = torch.full((200, 500), 2.0)
    dropped = drop_features(features, probability=0.9, generator=Generator().manual_seed(1))
    again = drop_features(features, probability=0.9, generator=Generator().manual_seed(1))
    assert torch.equal(dropped, again)
    assert sorted(set(dropped.flatten().tolist())) == [0.0, pytest.approx(20.0)]
    assert (dropped == 0).float().mean().item() == pytest.approx(0.9, abs=0.01)


def test_fresh_weights_depend_on_the_seed_only(encoder: VideoEncoder) -> None:
    torch.manual_seed(1)
    next_number = torch.rand(1)
    torch.manual_seed(1)
    first = random_encoder(encoder.config, seed=0)
    assert torch.equal(torch.rand(1), next_number)
    assert first.fingerprint() == random_encoder(encoder.config, seed=0).fingerprint()
    assert first.fingerprint() != random_encoder(encoder.config, seed=1).fingerprint()
    assert first.config == encoder.config
