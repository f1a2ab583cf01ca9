"""Two commands in one folder: each works, or says in one line what is in use."""

import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from slic.runs import lock_folder
from slic.search import Index
from tests.conftest import Ended
from tests.faults.campaign import Campaign
from tests.faults.trials import STOPPED, Bench, Material, contents

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TWICE = (
    "pretrain", "evaluate finetune", "index", "index, 1 worker", "prepare --proxies", "embed",
    "scan", "sample",
)  # fmt: skip
QUICK = ("index", "scan")


def problems_of_two(ended: Sequence[Ended]) -> list[str]:
    """Return what is wrong: one command must succeed; the other may say what is in use."""
    problems = [] if any(one.code == 0 for one in ended) else ["both failed"]
    for one in ended:
        last = (one.err.splitlines() or [""])[-1]
        if one.code not in (0, 1) or "Traceback" in one.err:
            problems.append(f"exit code {one.code}: {one.err[-2000:]}")
        elif one.code == 1 and not last.startswith("slic: "):
            problems.append(f"last line {last!r}")
    return problems


@pytest.mark.parametrize("name", TWICE)
def test_two_commands_in_one_folder_leave_what_one_leaves(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    trials = campaign.trials(quick=int(name in QUICK), soak=5)
    rng, lost, both = Random(1), [], 0
    wanted = bench.undisturbed(name)
    for trial in range(trials):
        out = tmp_path / f"{trial}"
        running = [bench.start(STOPPED[name], out)]
        time.sleep(rng.random() ** 3 * wanted.seconds)  # often nearly at once
        running.append(bench.slic(*STOPPED[name].words(bench.material, out)))
        ended = [one.wait() for one in running]
        both += all(one.code == 0 for one in ended)
        problems = problems_of_two(ended)
        if contents(out) != wanted.contents:
            problems.append("they left something else")
        if problems:
            lost.append(f"trial {trial}: {problems}")
    note = f"in {both} both succeeded"
    campaign.record(f"two at once: {name}", tried=trials, survived=trials - len(lost), note=note)
    assert not lost


@pytest.mark.parametrize("name", ["index", "prepare --proxies"])
def test_a_folder_in_use_is_named(name: str, bench: Bench, tmp_path: Path) -> None:
    made = STOPPED[name].words(bench.material, tmp_path)
    folder = Path(str(made[made.index("--out") + 1]))
    with lock_folder(folder):
        ended = bench.slic(*made).wait()
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        f"slic: {folder}: another run is writing to this folder. Choose another folder."
    )


def test_labels_are_set_while_an_index_is_updated(
    bench: Bench, campaign: Campaign, material: Material, tmp_path: Path
) -> None:
    """SQLite has one writer at a time, and the other waits. The studio does so, too."""
    lost = []
    for trial in range(trials := campaign.trials(quick=1, soak=8)):
        index = copied_index(material, tmp_path / f"{trial}")
        more = more_videos(material, tmp_path / f"{trial}")
        running = [
            bench.slic("labels", "set", index, f"{number}.mp4@0.2", f"label {number}")
            for number in range(3)
        ]
        running.append(bench.slic("index", more, "--out", index, "--workers=0"))
        ended = [one.wait() for one in running]
        if any(one.code for one in ended) or _count(index, "labels") != 3:
            lost.append(f"trial {trial}: {[one.err[-800:] for one in ended]}")
    campaign.record("labels set while an index runs", tried=trials, survived=trials - len(lost))
    assert not lost


def test_an_open_index_is_searched_while_another_process_adds_to_it(
    bench: Bench, campaign: Campaign, material: Material, tmp_path: Path
) -> None:
    """The studio holds an index open in this way."""
    searches = 0
    for trial in range(trials := campaign.trials(quick=1, soak=8)):
        index = Index.open(copied_index(material, tmp_path / f"{trial}"))
        before, more = index.count, more_videos(material, tmp_path / f"{trial}")
        query = index.vectors(index.ids()[:1])
        running = bench.slic("index", more, "--out", index.path, "--workers=0")
        while running.process.is_alive():
            found = index.nearest(query, 5)
            assert found.similarities[0, 0] > 0.99
            searches += 1
            time.sleep(0.002)
        assert running.wait().code == 0
        assert index.count > before
        assert len(index.nearest(query, index.count).ids[0]) == index.count
        index.close()
    note = f"{searches} searches"
    campaign.record("search while an index runs", tried=trials, survived=trials, note=note)


def copied_index(material: Material, folder: Path) -> Path:
    """Return a copy of the index, which a test may change."""
    copied = folder / "index"
    shutil.copytree(material.index, copied)
    return copied


def more_videos(material: Material, folder: Path) -> Path:
    """Return a folder of videos that the index does not have."""
    more = folder / "more"
    more.mkdir()
    for number in range(3):
        content = (material.videos / f"{number}.mp4").read_bytes()
        (more / f"m{number}.mp4").write_bytes(content + b"\0\0\0\x08free")  # an empty box
    return more


def _count(index: Path, table: str) -> int:
    connection = sqlite3.connect(index / "index.sqlite")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    finally:
        connection.close()
    return int(count)
