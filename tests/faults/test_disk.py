"""A disk that is full or fails: at every write of every verb, when reading, and without locks.

A command survives a failed write if it does one of two things. It ends with exit code 1 and one
line that says why, leaves no temporary file, and does its work when it is started again. Or it
does not need what it could not write, and its results are those of an undisturbed run.
"""

import errno
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.campaign import Campaign
from tests.faults.faults import Faults, FaultyDisk, Trial
from tests.faults.verbs import VERBS, Verb, results

_BARS: Final = re.compile(r"\d+%\||\d+[a-z]* \[\d\d:\d\d|^$")
_REASONS: Final = re.compile(r"no space left on device|input/output error|disk (is|i/o)", re.I)
_QUICK: Final = ("pretrain", "embed .npz", "index", "labels set", "prepare --proxies")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Undisturbed:
    """A run without a fault.

    Attributes:
        calls: How many calls changed the disk.
        results: A digest of each result.
    """

    calls: int
    results: dict[str, str]


def lines_of(trial: Trial) -> list[str]:
    """Return the lines on stderr, without bars of progress."""
    return [line for line in re.split("[\r\n]+", trial.err) if not _BARS.search(line)]


def undisturbed(disk: FaultyDisk, template: Path, verb: Verb) -> Undisturbed:
    disk.fill(template)
    trial = disk.run(*verb.words, before=verb.before, faults=Faults())
    assert trial.code == 0, trial
    assert not leftovers(disk)
    return Undisturbed(trial.calls, results(disk.root))


def leftovers(disk: FaultyDisk) -> list[Path]:
    """Return the temporary files."""
    scratch = (path for path in (disk.root / "tmp").iterdir() if "torch" not in path.name)
    return [*disk.root.rglob("*.tmp"), *disk.root.rglob("*.tmp-*"), *scratch]


def complaints(disk: FaultyDisk, verb: Verb, trial: Trial, usual: Undisturbed) -> list[str]:
    """Return what is wrong with how a command took a fault; the command runs again here."""
    wrong = [f"left {path}" for path in leftovers(disk)]
    if trial.code == 0:
        return wrong + [f"exit code 0, but {name} differs" for name in changed(disk, usual)]
    lines = lines_of(trial)
    if trial.code != 1 or not lines or not lines[-1].startswith("slic: "):
        wrong.append(f"exit code {trial.code} without an error line")
    elif not _REASONS.search(lines[-1]):
        wrong.append("the line does not say why")
    if "Traceback" in trial.err:
        wrong.append("a traceback")
    has_run = bool(verb.run) and (disk.root / verb.run).exists()
    again = disk.run(*verb.words, *(verb.again if has_run else ()), before=verb.before)
    if again.code:
        return [*wrong, f"again: {again.err[-300:]}"]
    return wrong + [f"again: {name} differs" for name in changed(disk, usual)]


def changed(disk: FaultyDisk, usual: Undisturbed) -> list[str]:
    now = results(disk.root)
    return sorted(name for name in now | usual.results if now.get(name) != usual.results.get(name))


@pytest.mark.parametrize("name", VERBS)
def test_a_full_or_failing_disk_at_every_write(
    disk: FaultyDisk, template: Path, campaign: Campaign, name: str
) -> None:
    if not campaign.soak and name not in _QUICK:
        pytest.skip("in make soak")
    verb = VERBS[name]
    usual = undisturbed(disk, template, verb)
    rng = random.Random(name)
    trials = campaign.trials(quick=1, soak=16)
    places = sorted(rng.sample(range(1, usual.calls + 1), min(trials, usual.calls)))
    tried, wrong = 0, []
    for place in places:
        for error, sticky in ((errno.ENOSPC, True), (errno.EIO, False))[
            : 2 if campaign.soak else 1
        ]:
            disk.fill(template)
            faults = Faults(nth=place, error=error, sticky=sticky)
            trial = disk.run(*verb.words, before=verb.before, faults=faults)
            tried += 1
            if found := complaints(disk, verb, trial, usual):
                wrong.append(
                    f"{errno.errorcode[error]} at {trial.what}: {found}\n{trial.err[-500:]}"
                )
    campaign.record(
        f"a full or failing disk: {name}", tried=tried, survived=tried - len(wrong),
        note=f"{len(places)} of {usual.calls} writes",
    )  # fmt: skip
    assert not wrong, "\n".join(wrong)
