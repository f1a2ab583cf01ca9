"""The log is cut back to where a run continues, and what cannot be written is named."""

import resource
from pathlib import Path

import pytest

from slic.errors import CheckpointError, WriteError
from slic.pretraining.folder import RunFolder
from slic.runs import read_log


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


def test_records_without_numbers_are_dropped(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.log("step", epoch=0, step=1)
        with folder.log_file.open("a") as file:
            file.write('{}\n{"epoch": null}\n{"epoch": 1, "step": "x"}\n')
        folder.rewind_log(epoch=1, step=2, mid_epoch=True)
        assert [record["epoch"] for record in read_log(folder.log_file)] == [0]


@pytest.mark.parametrize("text", ["", "[]", '{"set_aside": 3}', '{"still": {}}', 99_999 * "["])
def test_a_damaged_description_of_a_run_is_one_line(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    folder.about.write_text(text)
    for read in (folder.require_format, folder.read_set_aside, folder.read_still):
        with pytest.raises(CheckpointError, match=r"run\.json: not the description of a run"):
            read()


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
        with pytest.raises(WriteError, match=r"log\.jsonl: could not be written"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(read_log(tmp_path / "log.jsonl")) > 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="this folder cannot be written"):
        RunFolder(tmp_path / "file" / "run").__enter__()
