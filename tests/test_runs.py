"""A damaged checkpoint gives way to the one before; a run folder has one writer."""

import errno
import fcntl
from pathlib import Path

import pytest
import torch

from slic.errors import CheckpointError, FormatError, WriteError
from slic.runs import (
    has_checkpoint,
    load_checkpoint,
    lock_folder,
    previous_checkpoint,
    read_log,
    save_checkpoint,
)


def test_a_checkpoint_comes_back_and_anything_else_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.pt"
    assert not has_checkpoint(path)
    with pytest.raises(CheckpointError, match="there is nothing to resume"):
        load_checkpoint(path, version=1)
    save_checkpoint({"step": 3, "weights": torch.ones(2)}, path, version=1)
    assert load_checkpoint(path, version=1)["weights"].tolist() == [1.0, 1.0]
    with pytest.raises(FormatError, match="checkpoint format 1, but this package reads 2"):
        load_checkpoint(path, version=2)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="not a whole checkpoint of a run") as caught:
        load_checkpoint(path, version=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("hard_links", [True, False])
@pytest.mark.parametrize("damage", ["a bit", "cut short", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damage: str,
    hard_links: bool,
) -> None:
    if not hard_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse_hard_links)
    path = tmp_path / "last.pt"
    for step in range(3):
        save_checkpoint({"step": step}, path, version=1)
    assert load_checkpoint(path, version=1) == {"step": 2}
    whole = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "a bit":
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    else:
        path.write_bytes(whole[:-1])
    assert has_checkpoint(path)
    assert load_checkpoint(path, version=1) == {"step": 1}
    assert "The run continues from previous.pt" in caplog.text
    previous_checkpoint(path).write_bytes(b"")
    with pytest.raises(CheckpointError):
        load_checkpoint(path, version=1)


def refuse_hard_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


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
    with pytest.raises(WriteError, match=r"run: this folder cannot be locked \(no locks"):
        lock_folder(tmp_path / "run")
