"""A tiny problem is learnt, what is frozen stays, and the record of a run is what happened."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from slic.clips.augmentation import Augmentation
from slic.clips.reader import ClipReader
from slic.errors import CheckpointError, TrainingError
from slic.evaluation.classification import ClassifierSettings, Problem, classify
from slic.evaluation.classification.clips import LabelledSampler, TrainingClips
from slic.evaluation.classification.folder import stored_settings
from slic.evaluation.classification.settings import Protocol
from slic.models.encoder import VideoEncoder, to_input
from slic.runs import read_log

STEADY = Augmentation(area=(0.8, 1.0), jitter_probability=0.0, grey=0.0, blur=0.0)
QUICK = ClassifierSettings(
    epochs=5, batch_size=8, learning_rate=1e-2, dropout=0.5, augmentation=STEADY
)


def run(
    encoder: VideoEncoder,
    problem: Problem,
    out: Path,
    *,
    protocol: Protocol = "finetune",
    settings: ClassifierSettings = QUICK,
    resume: bool = False,
) -> float:
    """Classify in this process; return the accuracy."""
    return classify(
        encoder, problem, protocol=protocol, settings=settings, out=out, resume=resume,
        workers=0, progress=False,
    ).top_1  # fmt: skip


def test_fine_tuning_learns_to_tell_up_from_down(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path
) -> None:
    settings = replace(QUICK, epochs=24, backbone_learning_rate=1e-2, dropout=0.0)
    assert run(encoder, problem, tmp_path, settings=settings) >= 7 / 8
    losses = [record["loss"] for record in read_log(tmp_path / "log.jsonl")]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("protocol", ["linear", "finetune"])
def test_the_log_has_the_papers_rates_and_only_finetune_moves_the_backbone(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path, protocol: Protocol
) -> None:
    before = encoder.fingerprint()
    run(encoder, problem, tmp_path, protocol=protocol)
    records = read_log(tmp_path / "log.jsonl")
    rates = [record["learning_rate"] for record in records]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4])  # drops at 2 and 4 of 5
    assert all(0 <= record["accuracy"] <= 1 for record in records)
    assert encoder.fingerprint() == before
    learner = torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)["learner"]
    if protocol == "linear":
        assert set(learner) == {"weight", "bias"}
        assert not (tmp_path / "encoder").exists()
    else:
        saved = load_file(tmp_path / "encoder" / "model.safetensors")
        assert all(torch.equal(learner[f"encoder.{name}"], saved[name]) for name in saved)
        tuned = VideoEncoder.from_pretrained(tmp_path / "encoder")
        assert tuned.config == replace(encoder.config, embedding=0)


def test_linear_is_adam_on_plain_features_of_the_frozen_backbone(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path
) -> None:
    """Train by hand on features of the clips that the run sees; the layer comes out the same."""
    settings = replace(QUICK, dropout=0.0, epochs=2)
    run(encoder, problem, tmp_path, protocol="linear", settings=settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = torch.nn.Linear(64, 2)
    adam = torch.optim.Adam(linear.parameters(), lr=1e-2, weight_decay=1e-3)
    dataset = TrainingClips(problem, ClipReader(frames=8, stride=1, size=32), STEADY, seed=0)
    batches = LabelledSampler(16, batch_size=8, seed=0)
    for epoch in range(2):
        adam.param_groups[0]["lr"] = [1e-2, 1e-3][epoch]  # the first drop is at epoch 1 of 2
        batches.start(epoch, first_batch=0)
        for draws in batches:
            samples = [dataset[draw] for draw in draws]
            with torch.no_grad():
                features = torch.cat([encoder.features(to_input(s.clips[None])) for s in samples])
            targets = torch.stack([s.targets for s in samples])
            adam.zero_grad()
            log_shares = linear(features).log_softmax(dim=1)
            (-log_shares[torch.arange(8), targets].mean()).backward()
            adam.step()
    learner = torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)["learner"]
    assert torch.allclose(learner["weight"], linear.weight, atol=1e-5)
    assert torch.allclose(learner["bias"], linear.bias, atol=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path
) -> None:
    torch.nn.init.constant_(encoder.backbone.conv1.weight, torch.nan)
    with pytest.raises(TrainingError, match="epoch 1, batch 1: the loss is nan"):
        run(encoder, problem, tmp_path)


def test_the_folder_holds_one_run(encoder: VideoEncoder, problem: Problem, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(CheckpointError, match="there is no run to resume; leave --resume out"):
        run(encoder, problem, out, resume=True)
    settings = replace(QUICK, epochs=1)
    accuracy = run(encoder, problem, out, settings=settings)
    assert stored_settings(out) == vars(settings)
    with pytest.raises(CheckpointError, match="a run is already here; go on with it by --resume"):
        run(encoder, problem, out, settings=settings)
    with pytest.raises(CheckpointError, match="the run to resume has another dropout"):
        run(encoder, problem, out, settings=replace(settings, dropout=0.1), resume=True)
    with pytest.raises(CheckpointError, match="has another protocol"):
        run(encoder, problem, out, settings=settings, protocol="linear", resume=True)
    swapped = replace(problem, train_targets=1 - problem.train_targets)
    with pytest.raises(CheckpointError, match="has another set of training videos"):
        run(encoder, swapped, out, settings=settings, resume=True)
    before = (out / "checkpoints" / "last.pt").read_bytes()
    assert run(encoder, problem, out, settings=settings, resume=True) == accuracy
    assert (out / "checkpoints" / "last.pt").read_bytes() == before


def test_the_folder_of_something_else_is_left_alone(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text("clip: {frames: 4}")
    with pytest.raises(CheckpointError, match="holds files of something else; choose another"):
        run(encoder, problem, tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".lock", "recipe.yaml"]


def test_a_test_set_that_grew_is_scored_whole(
    encoder: VideoEncoder, problem: Problem, tmp_path: Path
) -> None:
    settings = replace(QUICK, epochs=1)
    half = problem.test.subset([video.id for video in problem.test][:4])
    smaller = replace(problem, test=half, test_targets=problem.test_targets[:4])
    run(encoder, smaller, tmp_path, settings=settings)
    scores = classify(
        encoder, problem, protocol="finetune", settings=settings, out=tmp_path, resume=True,
        workers=0, progress=False,
    )  # fmt: skip
    assert np.sum(scores.confusion) == 8
