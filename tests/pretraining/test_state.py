"""A checkpoint comes back bit for bit, and one of another run is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.clustering.base import PseudoLabels
from slic.errors import CheckpointError, FormatError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.optimizers import sgd
from slic.pretraining.state import CHECKPOINT_FORMAT, TrainingState, load_state, save_state
from slic.runs import load_checkpoint, previous_checkpoint, save_checkpoint

IDS = ["a.mp4", "b.mp4"]


def make_encoder(seed: int) -> VideoEncoder:
    torch.manual_seed(seed)
    return VideoEncoder(
        EncoderConfig(
            backbone="slic/r3d10",
            arguments={"width": 0.0625},
            head=HeadSpec(hidden=8, embedding=4),
            clip=ClipSpec(frames=4, size=16),
        )
    )


@pytest.fixture
def state() -> TrainingState:
    """Return a run in its fourth epoch."""
    labels = {"embedding": PseudoLabels(np.array([0, 1]))}
    return TrainingState(9, 3, 1, 10, labels, skipped_in_a_row=2, spread=0.25)


def save(path: Path, state: TrainingState, seed: int = 0) -> tuple[VideoEncoder, Any]:
    encoder = make_encoder(seed)
    optimizer = sgd(encoder.parameters(), learning_rate=0.3)
    save_state(path, state, encoder=encoder, optimizer=optimizer, ids=IDS, processes=1)
    return encoder, optimizer


def load(path: Path, ids: list[str] = IDS) -> tuple[TrainingState, Any, Any]:
    state, encoder = TrainingState(9), make_encoder(1)
    optimizer = sgd(encoder.parameters())
    assert load_state(path, state, encoder=encoder, optimizer=optimizer, ids=ids) == 1
    return state, encoder, optimizer


def test_a_checkpoint_comes_back_bit_for_bit(state: TrainingState, tmp_path: Path) -> None:
    encoder, _ = save(tmp_path / "last.pt", state)
    loaded, other, optimizer = load(tmp_path / "last.pt")
    assert other.fingerprint() == encoder.fingerprint()
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert loaded.pseudo_labels is not None
    assert loaded.pseudo_labels["embedding"].labels.tolist() == [0, 1]
    for name in ("epochs", "epoch", "batch", "step", "skipped_in_a_row", "spread"):
        assert getattr(loaded, name) == getattr(state, name), name


def test_counters(state: TrainingState) -> None:
    assert list(state.remaining_epochs()) == [3, 4, 5, 6, 7, 8]
    state.count_step()
    assert (state.epoch, state.batch, state.step) == (3, 2, 11)
    state.count_epoch()
    assert (state.epoch, state.batch, state.step) == (4, 0, 11)


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "a field is missing"])
def test_a_damaged_checkpoint_is_named(state: TrainingState, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.pt"
    save(path, state)
    if damage == "a field is missing":
        saved = load_checkpoint(path, version=CHECKPOINT_FORMAT)
        del saved["spread"]
        save_checkpoint(saved, path, version=CHECKPOINT_FORMAT)
        previous_checkpoint(path).unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"last\.pt: not a (whole )?checkpoint of a run"):
        load(path)


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    save_checkpoint({}, tmp_path / "last.pt", version=2)
    with pytest.raises(FormatError, match="checkpoint format 2, but this package reads 3"):
        load(tmp_path / "last.pt")


def test_the_checkpoint_of_another_run_is_refused(state: TrainingState, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with pytest.raises(CheckpointError, match="nothing to resume"):
        load(path)
    save(path, state)
    with pytest.raises(CheckpointError, match="another set of videos than the 3 found now"):
        load(path, ids=[*IDS, "c.mp4"])
