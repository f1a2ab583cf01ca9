"""The log is cut back to where a run goes on, and a checkpoint is this run's or refused."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from slic.errors import CheckpointError
from slic.pretraining.checkpoint import RunState, load_state, save_state, videos_digest
from slic.pretraining.folder import RunFolder
from slic.runs import read_log

IDS = ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("epoch", "step", "mid_epoch", "kept"),
    [
        (0, 0, False, []),
        (1, 2, False, [(0, 1), (0, 2)]),
        (1, 3, True, [(0, 1), (0, 2), (1, 2), (1, 3)]),
        (2, 4, False, [(0, 1), (0, 2), (1, 2), (1, 3), (1, 4)]),
    ],
)
def test_a_log_is_rewound_to_the_saved_step(
    tmp_path: Path, epoch: int, step: int, mid_epoch: bool, kept: list[tuple[int, int]]
) -> None:
    with RunFolder(tmp_path / "run") as folder:
        for e, s in [(0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 4), (2, 5)]:
            folder.log("step", epoch=e, step=s)
        with folder.log_file.open("a") as file:
            file.write('{"kind": "step", "epoch": 2, "st')  # a kill cut it short
        folder.rewind_log(epoch=epoch, step=step, mid_epoch=mid_epoch)
        assert [(r["epoch"], r["step"]) for r in read_log(folder.log_file)] == kept


def test_a_number_that_is_none_is_null_in_the_log(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.log("step", epoch=0, step=1, loss=float("nan"), spread=float("inf"), active=0.5)
        text = folder.log_file.read_text()
    assert '"loss": null, "spread": null, "active": 0.5' in text


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        with RunFolder(tmp_path) as folder:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
            for step in range(100):
                folder.log("step", epoch=0, step=step)

    try:
        with pytest.raises(CheckpointError, match=r"log\.jsonl: could not be written"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(read_log(tmp_path / "log.jsonl")) > 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="run folder cannot be written"):
        RunFolder(tmp_path / "file" / "run").__enter__()


@pytest.fixture
def state() -> RunState:
    """Return the state of a toy run."""
    return RunState(
        epoch=3,
        batch=1,
        step=10,
        pseudo_labels=torch.tensor([0, 1]),
        encoder={"weight": torch.randn(3, 2)},
        optimizer={"state": {}, "param_groups": [{"lr": 0.1}]},
        videos=videos_digest(IDS),
        processes=1,
        failures=2,
        spread=0.25,
    )


def test_a_state_comes_back_bit_for_bit(state: RunState, tmp_path: Path) -> None:
    save_state(state, tmp_path / "last.pt")
    loaded = load_state(tmp_path / "last.pt", ids=IDS, processes=1)
    assert torch.equal(loaded.encoder["weight"], state.encoder["weight"])
    assert loaded.pseudo_labels is not None
    assert loaded.pseudo_labels.tolist() == [0, 1]
    one, other = (replace(s, encoder={}, pseudo_labels=None) for s in (loaded, state))
    assert one == other


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "other"])
def test_a_damaged_checkpoint_is_named(state: RunState, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.pt"
    save_state(state, path)
    if damage == "other":
        torch.save({"weights": 1}, path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"last\.pt: not a checkpoint of a run"):
        load_state(path, ids=IDS, processes=1)


def test_another_runs_checkpoint_is_refused(state: RunState, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with pytest.raises(CheckpointError, match="nothing to resume"):
        load_state(path, ids=IDS, processes=1)
    save_state(state, path)
    with pytest.raises(CheckpointError, match="another set of videos than the 3 found now"):
        load_state(path, ids=[*IDS, "c.mp4"], processes=1)
    with pytest.raises(CheckpointError, match="the run used 1 processes, not 2"):
        load_state(path, ids=IDS, processes=2)
