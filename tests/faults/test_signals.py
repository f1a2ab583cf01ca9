"""Signals at random moments: one line, the code of shells, no half file, and work that goes on."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from slic.signals import STOP_SIGNALS
from tests.faults.campaign import Campaign
from tests.faults.trials import (
    STOPPED,
    Bench,
    group_ends,
    handles_signals,
    problems_of_a_stop,
    send,
    temporaries,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
QUICK = ("index", "sample", "evaluate retrieval")
SECONDS = {"studio": 4.0, "demo": 20.0}  # they are not waited for


@pytest.mark.parametrize("name", STOPPED)
def test_a_signal_is_one_line_and_the_work_goes_on(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    trials = campaign.trials(quick=int(name in QUICK), soak=10)
    rng, lost, amid = Random(crc32(name.encode())), [], 0
    verb = STOPPED[name]
    code: int | None = 0
    if name in SECONDS:
        seconds = SECONDS[name]
    else:
        code, seconds = bench.undisturbed(name).code, bench.undisturbed(name).seconds
    for trial in range(trials):
        out, number = tmp_path / f"{trial}", STOP_SIGNALS[trial % len(STOP_SIGNALS)]
        running = bench.start(verb, out)
        time.sleep(rng.random() * seconds)
        send(running, number, group=rng.random() < 0.5)
        ended = running.wait()
        problems = problems_of_a_stop(ended, number, code)
        amid += ended.code == 128 + number
        if not group_ends(running.pid):
            problems.append("processes are left")
        problems += [f"{path} is left" for path in temporaries(out)]
        if verb.writes and not problems:
            problems += bench.finish(name, out)
        if problems:
            lost.append(f"trial {trial}, {number.name}: {problems}")
    note = f"{amid} before the end"
    campaign.record(f"signal: {name}", tried=trials, survived=trials - len(lost), note=note)
    assert not lost


def test_a_signal_while_modules_load_is_one_line(campaign: Campaign, tmp_path: Path) -> None:
    """From when the command has set its handlers; before, Python itself is being loaded."""
    rng, lost = Random(0), []
    trials = campaign.trials(quick=len(STOP_SIGNALS), soak=60)
    for trial in range(trials):
        number = STOP_SIGNALS[trial % len(STOP_SIGNALS)]
        started = subprocess.Popen(
            [sys.executable, "-m", "slic", "scan", tmp_path],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while not handles_signals(started.pid):
            assert started.poll() is None
            time.sleep(0.001)
        time.sleep(rng.random() * 0.2)
        started.send_signal(number)
        _, printed = started.communicate()
        expected = "slic: stopped. The same command continues.\n"
        if (started.returncode, printed) != (128 + number, expected) and started.returncode:
            lost.append((started.returncode, printed))
    campaign.record("signal: start-up imports", tried=trials, survived=trials - len(lost))
    assert not lost
