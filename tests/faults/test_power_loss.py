"""A power cut loses writes that were not flushed; what is left is old or new, never half.

The faulty disk journals a verb. `power_cuts` rebuilds what the disk may hold after a cut at any
moment of it: without any order between files and folders but the one that fsync demands.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Final

import pytest

from slic import files
from slic.errors import SlicError
from slic.models.encoder import VideoEncoder
from slic.runs import read_log
from slic.search import Index
from slic.search.repository.schema import DATABASE_FILE
from tests.faults.campaign import Campaign
from tests.faults.faults import Faults, FaultyDisk
from tests.faults.power_cuts import Disk, Operation, read_journal, states
from tests.faults.verbs import VERBS, Verb, results

_QUICK: Final = ("pretrain",)
_GROWING: Final = ("log.jsonl", "predictions.jsonl", ".lock")
_OF_SQLITE: Final = (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm")

pytestmark = pytest.mark.slow


def journal_of(disk: FaultyDisk, template: Path, verb: Verb, folder: Path) -> list[Operation]:
    """Run a verb, and return everything that it did to the disk."""
    disk.fill(template)
    journal = folder / "journal"
    trial = disk.run(*verb.words, before=verb.before, faults=Faults(journal=str(journal)))
    assert trial.code == 0, trial
    return read_journal(journal, disk.root)


def damage(folder: Path, disk: Disk) -> Iterator[str]:
    """Yield what is neither old nor new in a state of a folder, and not noticed either."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.name.endswith(".tmp") or ".tmp-" in path.name or not path.is_file():
            continue
        if path.name == DATABASE_FILE:
            yield from _damage_of_index(path.parent)
        elif path.name == "log.jsonl":
            read_log(path)
        elif path.name == "config.json":
            yield from _damage_of_encoder(path.parent)
        elif path.name in _GROWING or path.name in _OF_SQLITE or name.startswith("tmp/"):
            continue
        elif path.read_bytes() not in disk.versions.get(name, ()):
            yield f"{name} is neither old nor new"


def _damage_of_index(folder: Path) -> Iterator[str]:
    try:
        index = Index.open(folder)
        index.videos()
        index.database.close()
    except SlicError as error:
        yield f"the index cannot be opened: {error}"
        return
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as database:
        if (said := database.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
            yield f"the index is damaged: {said}"


def _damage_of_encoder(folder: Path) -> Iterator[str]:
    try:
        VideoEncoder.from_pretrained(folder)
    except SlicError as error:
        yield f"the encoder cannot be read: {error}"


@pytest.mark.parametrize("name", VERBS)
def test_after_a_power_cut_each_file_is_old_or_new(
    disk: FaultyDisk, template: Path, campaign: Campaign, tmp_path: Path, name: str
) -> None:
    campaign.leave_to_soak(unless=name in _QUICK)
    verb = VERBS[name]
    operations = journal_of(disk, template, verb, tmp_path)
    finished, model, wrong = results(disk.root), Disk(template), []
    count, after = campaign.trials(quick=12, soak=100), tmp_path / "after"
    again = set(range(count // 2, count, campaign.trials(quick=count, soak=12)))
    for number, cut in enumerate(states(model, operations, after, count=count, seed=0)):
        wrong += [f"cut {cut}: {found}" for found in damage(after, model)]
        if number in again:
            wrong += [f"cut {cut}: {found}" for found in difference(disk, verb, after, finished)]
    survived = count - len({line.partition(":")[0] for line in wrong})
    campaign.record(
        f"power cut: {name}", tried=count, survived=survived,
        note=f"a journal of {len(operations)} operations; {len(again)} commands started again",
    )  # fmt: skip
    kept = results(after)
    lost = {key for key, value in finished.items() if kept.get(key) != value}
    assert not wrong, "\n".join(wrong)
    assert not lost, f"the verb had ended, and these were not on the disk: {sorted(lost)}"


def difference(
    disk: FaultyDisk, verb: Verb, state: Path, finished: dict[str, str]
) -> Iterator[str]:
    """Start a command again in a state, and yield how its results differ from the usual ones."""
    disk.fill(state)
    has_run = bool(verb.run) and (disk.root / verb.run).exists()
    trial = disk.run(*verb.words, *(verb.again if has_run else ()), before=verb.before)
    if trial.code:
        yield f"the same command fails: {trial.err[-300:]}"
        return
    found = results(disk.root)
    yield from (f"again: {key} differs" for key in finished if found.get(key) != finished[key])


def test_names_of_new_folders_are_flushed_from_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "flush_file", flushed.append)
    files.write_atomically(tmp_path / "new" / "folder" / "file", b"")
    *folders, file, last = flushed
    assert folders == [tmp_path, tmp_path / "new"]
    assert file.name.startswith(".file.")
    assert last == tmp_path / "new" / "folder"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_cannot_flush_a_folder_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with nullcontext() if number == errno.EINVAL else pytest.raises(OSError, match="Input/output"):
        files.flush_folder(tmp_path)
