"""A disk that is full or fails: at every write of every verb, when reading, and without locks.

A command survives a failed write if it does one of two things. It ends with exit code 1 and one
line that says why, leaves no temporary file, and does its work when it is started again. Or it
does not need what it could not write, and its results are those of an undisturbed run.
"""

import errno
import json
import os
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from slic import files
from slic.embeddings.cache import FeatureCache
from slic.errors import WriteError
from slic.files import atomic_path
from slic.runs import load_checkpoint, save_checkpoint
from slic.videos import scan_cache
from slic.videos.video import Video
from tests.faults.campaign import Campaign
from tests.faults.faults import LINK, LOCK, READ, Faults, FaultyDisk, Trial
from tests.faults.verbs import VERBS, Verb, results

_BARS: Final = re.compile(r"\d+%\||\d+[a-z]* \[\d\d:\d\d|^$")
_REASONS: Final = re.compile(
    r"no space left on device|input/output error|disk (is|i/o)|free space", re.I
)
_QUICK: Final = ("index",)

_UNREADABLE: Final = re.compile(
    r"input/output error|disk i/o|cannot be read|disk may be fail", re.I
)

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


_usual: dict[str, Undisturbed] = {}


def undisturbed(disk: FaultyDisk, template: Path, name: str) -> Undisturbed:
    """Run a verb without a fault, once for all tests."""
    if name not in _usual:
        verb = VERBS[name]
        disk.fill(template)
        trial = disk.run(*verb.words, before=verb.before, faults=Faults())
        assert trial.code == 0, trial
        assert not leftovers(disk)
        _usual[name] = Undisturbed(trial.calls, results(disk.root))
    return _usual[name]


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
    campaign.leave_to_soak(unless=name in _QUICK)
    verb = VERBS[name]
    usual = undisturbed(disk, template, name)
    rng = random.Random(name)
    trials = campaign.trials(quick=1, soak=12)
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


@pytest.mark.parametrize("name", VERBS)
def test_a_read_error_is_named(
    disk: FaultyDisk, template: Path, campaign: Campaign, name: str
) -> None:
    campaign.leave_to_soak()
    verb = VERBS[name]
    disk.fill(template)
    calls = disk.run(*verb.words, before=verb.before, faults=Faults(classes=READ)).calls
    usual, rng = Undisturbed(calls, results(disk.root)), random.Random(name)
    trials = campaign.trials(quick=1, soak=4)
    tried, wrong = 0, []
    for place in sorted(rng.sample(range(1, calls + 1), min(trials, calls))):
        disk.fill(template)
        faults = Faults(classes=READ, nth=place, error=errno.EIO)
        trial = disk.run(*verb.words, before=verb.before, faults=faults)
        tried += 1
        if found := complaints_about_reading(disk, trial, usual):
            wrong.append(f"EIO at {trial.what}: {found}\n{trial.err[-500:]}")
    campaign.record(f"a read error: {name}", tried=tried, survived=tried - len(wrong))
    assert not wrong, "\n".join(wrong)


def complaints_about_reading(disk: FaultyDisk, trial: Trial, usual: Undisturbed) -> list[str]:
    """Return what is wrong with how a command took a read error."""
    wrong = ["a traceback"] if "Traceback" in trial.err else []
    differs = changed(disk, usual)
    if trial.code == 0 and not differs:
        return wrong
    if not _UNREADABLE.search(trial.out + trial.err):
        wrong.append(f"exit code {trial.code}, but nothing says that a file could not be read")
    if trial.code not in (0, 1):
        wrong.append(f"exit code {trial.code}")
    if trial.code == 1 and not (lines_of(trial) or [""])[-1].startswith("slic: "):
        wrong.append("no error line")
    return wrong


@pytest.mark.parametrize("name", ["index", "pretrain"])
def test_without_hard_links_everything_works(
    disk: FaultyDisk, template: Path, campaign: Campaign, name: str
) -> None:
    campaign.leave_to_soak()
    usual = undisturbed(disk, template, name)
    disk.fill(template)
    trial = disk.run(*VERBS[name].words, faults=Faults(LINK, nth=1, error=errno.EPERM, sticky=True))
    assert trial.code == 0, trial
    assert not changed(disk, usual)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pretrain", "run: this folder cannot be locked (no locks available)."),
        ("evaluate linear", "lin: this folder cannot be locked (no locks available)."),
        ("labels set", "index/index.sqlite: database is locked; wait for the other writer"),
    ],
)
def test_a_network_file_system_without_locks_is_named(
    disk: FaultyDisk, template: Path, campaign: Campaign, name: str, said: str
) -> None:
    campaign.leave_to_soak()
    disk.fill(template)
    faults = Faults(LOCK, nth=1, error=errno.ENOLCK, sticky=True)
    soon = "import slic.search.repository.database as database\ndatabase.BUSY_SECONDS = 0.1"
    trial = disk.run(*VERBS[name].words, faults=faults, before=soon)
    assert trial.code == 1
    assert said in lines_of(trial)[-1]


@pytest.mark.parametrize(
    "words",
    [
        ("search", "index", "0.mp4@0"),
        ("labels", "list", "index"),
        ("scan", "fresh", "--workers=1"),
        ("evaluate", "clusters", "kept.npz", "--labels=videos/labels.csv"),
    ],
)
def test_what_only_reads_works_on_a_read_only_file_system(
    disk: FaultyDisk, template: Path, campaign: Campaign, words: tuple[str, ...]
) -> None:
    campaign.leave_to_soak()
    disk.fill(template)
    usual = disk.run(*words)
    disk.fill(template)
    trial = disk.run(*words, faults=Faults(nth=1, error=errno.EROFS, sticky=True))
    assert (trial.code, trial.out) == (0, usual.out), trial


_CLOCK_OF_2001: Final = """
import time
time.time, time.time_ns = (lambda: 1e9), (lambda: 10**18)
"""


@pytest.mark.parametrize("name", ["labels undo", "cluster --merge", "embed --cache"])
def test_a_clock_that_goes_back_changes_nothing(
    disk: FaultyDisk, template: Path, campaign: Campaign, name: str
) -> None:
    campaign.leave_to_soak()
    usual = undisturbed(disk, template, name)
    disk.fill(template)
    for path in disk.root.rglob("*"):
        os.utime(path, (4e9, 4e9))  # in 2096
    trial = disk.run(*VERBS[name].words, before=_CLOCK_OF_2001)
    assert trial.code == 0, trial
    assert not changed(disk, usual)


_STUDIO: Final = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from slic.errors import SlicError
from slic.search import Index
from slic.studio.state import Studio
from tests.studio.conftest import client_of_studio
try:
    studio = Studio(Index.open(Path("index")))
except (SlicError, OSError) as error:  # the command prints it as one line
    print(json.dumps([0, str(error)]))
    sys.exit(1)
client, ids = client_of_studio(studio), studio.index.ids().tolist()
video = Path("videos/0.mp4").read_bytes()
for what in (
    lambda: client.post("/api/labels", json={{"moments": ids[:2], "label": "new"}}),
    lambda: client.post("/api/uploads", content=video),
    lambda: client.post("/api/undo", json={{}}),
):
    answer = what()
    print(json.dumps([answer.status_code, answer.text[:300]]))
sys.exit(0)
"""


def test_the_studio_answers_with_a_reason_and_goes_on(
    disk: FaultyDisk, template: Path, campaign: Campaign
) -> None:
    campaign.leave_to_soak()
    disk.fill(template)
    usual = disk.run(before=_STUDIO, faults=Faults())
    assert usual.code == 0, usual
    assert [json.loads(line)[0] for line in usual.out.splitlines()] == [200, 200, 200], usual
    rng, tried, wrong = random.Random(0), 0, []
    count = campaign.trials(quick=1, soak=12)
    for place in sorted(rng.sample(range(1, usual.calls + 1), min(count, usual.calls))):
        disk.fill(template)
        faults = Faults(nth=place, error=errno.ENOSPC)
        trial = disk.run(before=_STUDIO, faults=faults)
        tried += 1
        answers = [json.loads(line) for line in trial.out.splitlines()]
        refused = [text for status, text in answers if status != 200]
        fine = len(answers) == (3 if trial.code == 0 else 1) and all(
            _REASONS.search(text) for text in refused
        )
        if not fine or "Traceback" in trial.err:
            wrong.append(f"{trial.what}: {trial.out} {trial.err[-800:]}")
    campaign.record("a full disk: studio", tried=tried, survived=tried - len(wrong))
    assert not wrong, "\n".join(wrong)


def test_a_library_does_not_hide_that_the_disk_is_full(tmp_path: Path) -> None:
    def write(error: Exception) -> None:
        with atomic_path(tmp_path / "file") as temporary:
            try:
                temporary.write_text("half")
                raise error
            except OSError:
                raise RuntimeError("unexpected pos 1948992") from None

    with pytest.raises(WriteError, match=r"file: could not be written \(no space left on device\)"):
        write(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(RuntimeError, match="unexpected pos"):  # not an error of the disk
        write(FileNotFoundError(errno.ENOENT, "no such thing"))
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file, where a folder is needed")
    video = Video(id="a", path=tmp_path / "a", frames=9, fps=25.0, width=64, height=48)
    cache = FeatureCache(tmp_path / "cache", {})
    for _ in range(2):
        with cache:
            cache.add(video, "state", np.zeros((1, 4), np.float32))
    (line,) = caplog.messages
    assert "could not be written (not a directory). The work goes on" in line


def test_a_scan_that_cannot_be_kept_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").write_text("a file, where a folder is needed")
    scan_cache.save([tmp_path / "a" / "one", tmp_path / "scan"], [])
    assert not caplog.messages  # the second place is as good
    scan_cache.save([tmp_path / "a" / "one"], [])
    assert "The next scan reads all files again." in caplog.text


def test_after_a_failed_checkpoint_the_next_one_leaves_no_third_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "last.pt"
    save_checkpoint({"step": 1}, path, version=1)
    with monkeypatch.context() as patch:
        patch.setattr(files, "flush_file", fail)
        with pytest.raises(WriteError, match="input/output error"):
            save_checkpoint({"step": 2}, path, version=1)
    save_checkpoint({"step": 2}, path, version=1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["last.pt", "previous.pt"]
    assert load_checkpoint(path, version=1) == {"step": 2}
