"""Stopping a run: the first Ctrl-C asks, the second interrupts; its folder has one writer."""

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest
import torch

from slic.errors import CheckpointError, WriteError
from slic.runs import load_checkpoint, lock_folder, read_log, save_checkpoint, stop_at_ctrl_c


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_at_ctrl_c() as stopping:
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_checkpoint_comes_back_and_anything_else_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.pt"
    with pytest.raises(CheckpointError, match="there is nothing to resume"):
        load_checkpoint(path)
    save_checkpoint({"step": 3, "weights": torch.ones(2)}, path)
    assert load_checkpoint(path)["weights"].tolist() == [1.0, 1.0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="not a checkpoint of a run") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_a_log_is_read_up_to_the_line_that_a_kill_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_log(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert [record["step"] for record in read_log(path)] == [1, 2]


def test_a_disk_without_locks_is_not_taken_for_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refused)
    with pytest.raises(WriteError, match=r"run: the run folder cannot be locked \(no locks"):
        lock_folder(tmp_path / "run")
