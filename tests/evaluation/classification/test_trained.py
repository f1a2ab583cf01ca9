"""A tiny task is learnt, a frozen backbone stays, and the run folder records what happened."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from slic.errors import CheckpointError, FormatError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification import (
    ClassificationScores,
    FineTuning,
    LinearTraining,
    TrainedProtocol,
)
from slic.evaluation.classification.training import CHECKPOINT_FORMAT
from slic.models.encoder import HeadSpec, VideoEncoder
from slic.runs import load_checkpoint, read_log


@pytest.fixture
def finetuning(quick: LinearTraining) -> FineTuning:
    """Return five epochs of fine-tuning."""
    settings = {
        name: getattr(quick, name)
        for name in ("epochs", "batch_size", "learning_rate", "dropout", "augmentation")
    }
    return FineTuning(**settings)


def score(
    protocol: TrainedProtocol, encoder: VideoEncoder, split: LabelledSplit, out: Path
) -> ClassificationScores:
    return replace(protocol, out=out).score(encoder, split, workers=0, progress=False)


@pytest.mark.slow
def test_fine_tuning_learns_to_tell_up_from_down(
    encoder: VideoEncoder, split: LabelledSplit, finetuning: FineTuning, tmp_path: Path
) -> None:
    longer = replace(finetuning, epochs=24, backbone_learning_rate=1e-2, dropout=0.0)
    assert score(longer, encoder, split, tmp_path).top_1 >= 7 / 8
    losses = [record["loss"] for record in read_log(tmp_path / "log.jsonl")]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("frozen", [True, False])
def test_the_log_has_the_papers_rates_and_only_fine_tuning_moves_the_backbone(
    encoder: VideoEncoder,
    split: LabelledSplit,
    quick: LinearTraining,
    finetuning: FineTuning,
    tmp_path: Path,
    frozen: bool,
) -> None:
    before = encoder.fingerprint()
    score(quick if frozen else finetuning, encoder, split, tmp_path)
    records = read_log(tmp_path / "log.jsonl")
    rates = [record["learning_rate"] for record in records]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4])  # drops at 2 and 4 of 5
    assert all(0 <= record["accuracy"] <= 1 for record in records)
    assert encoder.fingerprint() == before
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "last.pt", version=CHECKPOINT_FORMAT)
    weights = checkpoint["trained_part"]
    if frozen:
        assert set(weights) == {"weight", "bias"}
        assert not (tmp_path / "encoder").exists()
    else:
        saved = load_file(tmp_path / "encoder" / "model.safetensors")
        assert all(torch.equal(weights[f"encoder.{name}"], saved[name]) for name in saved)
        tuned = VideoEncoder.from_pretrained(tmp_path / "encoder")
        assert tuned.config == replace(encoder.config, head=HeadSpec(embedding=0))


def test_a_folder_holds_one_run(
    encoder: VideoEncoder,
    split: LabelledSplit,
    finetuning: FineTuning,
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    with pytest.raises(CheckpointError, match="there is no run to resume; start a new one"):
        score(replace(finetuning, resume=True), encoder, split, out)
    once = replace(finetuning, epochs=1)
    first = score(once, encoder, split, out)
    with pytest.raises(CheckpointError, match=r"there is a run already\. Resume it, or choose an"):
        score(once, encoder, split, out)
    again = FineTuning.resumed(out)
    assert again == replace(once, out=out, resume=True)
    with pytest.raises(CheckpointError, match="the run to resume has another dropout"):
        score(FineTuning.resumed(out, dropout=0.1), encoder, split, out)
    with pytest.raises(CheckpointError, match="has another protocol"):
        score(LinearTraining.resumed(out), encoder, split, out)
    swapped = replace(split, train_labels=[*split.train_labels[1:], split.train_labels[0]])
    with pytest.raises(CheckpointError, match="has another set of training videos"):
        score(again, encoder, swapped, out)
    before = (out / "checkpoints" / "last.pt").read_bytes()
    assert score(again, encoder, split, out) == first
    assert (out / "checkpoints" / "last.pt").read_bytes() == before


def test_a_run_of_before_there_were_these_settings_goes_on_as_it_began(
    encoder: VideoEncoder, split: LabelledSplit, finetuning: FineTuning, tmp_path: Path
) -> None:
    earlier = replace(finetuning, epochs=1, test_aspect="4:3")
    first = score(earlier, encoder, split, tmp_path)
    settings = json.loads((tmp_path / "settings.json").read_text())
    del settings["test_aspect"], settings["augmentation"]["crop_from"]
    del settings["augmentation"]["blur_kernel"]
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "predictions.jsonl").unlink()
    resumed = FineTuning.resumed(tmp_path)
    assert resumed == replace(earlier, out=tmp_path, resume=True)
    assert score(resumed, encoder, split, tmp_path) == first
    with pytest.raises(CheckpointError, match="has another test_aspect"):
        score(FineTuning.resumed(tmp_path, test_aspect="kept"), encoder, split, tmp_path)


def test_settings_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"format": 99, "protocol": "linear"}))
    with pytest.raises(FormatError, match=r"format 1 \(found 99\). Train again in another folder"):
        LinearTraining.resumed(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(CheckpointError, match="not the settings of a classification run"):
        LinearTraining.resumed(tmp_path)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"settings.json: cannot be read"):
        LinearTraining.resumed(tmp_path)


def test_a_folder_with_other_files_is_left_alone(
    encoder: VideoEncoder, split: LabelledSplit, finetuning: FineTuning, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text("clip: {frames: 4}")
    with pytest.raises(CheckpointError, match="holds other files; choose another folder"):
        score(finetuning, encoder, split, tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".lock", "recipe.yaml"]


def test_a_test_set_that_grew_is_scored_whole(
    encoder: VideoEncoder, split: LabelledSplit, finetuning: FineTuning, tmp_path: Path
) -> None:
    half = split.test.subset([video.id for video in split.test][:4])
    smaller = replace(split, test=half, test_labels=split.test_labels[:4])
    score(replace(finetuning, epochs=1), encoder, smaller, tmp_path)
    scores = score(FineTuning.resumed(tmp_path), encoder, split, tmp_path)
    assert np.sum(scores.confusion) == 8
