"""kill -9 at random moments; the command that continues ends as if nothing had happened."""

import signal
import sys
import time
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from slic import files
from slic.files import remove_stale_temporaries, write_atomically
from tests.conftest import Program, WaitUntil
from tests.faults.campaign import Campaign
from tests.faults.trials import KILLED, Bench, group_ends, send, temporaries

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
QUICK = ("scan", "index", "embed", "prepare --proxies", "pretrain")


@pytest.mark.parametrize("name", KILLED)
def test_what_was_killed_ends_as_if_nothing_had_happened(
    name: str, bench: Bench, campaign: Campaign, tmp_path: Path
) -> None:
    trials = campaign.trials(quick=int(name in QUICK), soak=18)
    rng, lost, kills, amid, left = Random(crc32(name.encode())), [], 0, 0, 0
    bench.undisturbed(name)  # also loads modules
    for trial in range(trials):
        out = tmp_path / f"{trial}"
        for _ in range(1 + (trial % 3 == 2)):  # also what continues is killed
            running = bench.start(KILLED[name], out)
            time.sleep(rng.random() * bench.undisturbed(name).seconds)
            send(running, signal.SIGKILL, group=trial % 2 == 0)
            kills, amid = kills + 1, amid + (running.wait().code == -signal.SIGKILL)
            assert group_ends(running.pid), "the other processes have not noticed"
            left += bool(temporaries(out))
        lost += [f"trial {trial}: {problem}" for problem in bench.finish(name, out)]
    note = f"{amid} before the end; {left} left temporary files, which the next run removed"
    campaign.record(f"kill -9: {name}", tried=kills, survived=kills - len(lost), note=note)
    assert not lost


def test_the_next_run_removes_the_temporary_file_of_a_killed_one(
    program: Program, wait_until: WaitUntil, tmp_path: Path
) -> None:
    """Whatever the next run writes into the folder; not while the first one still lives."""
    running = program(
        "from pathlib import Path; import time\n"
        "from slic.files import atomic_path\n"
        f"with atomic_path(Path({str(tmp_path / 'checkpoint')!r})) as temporary:\n"
        "    temporary.write_bytes(bytes(10_000_000))\n"
        f"    Path({str(tmp_path / 'written')!r}).touch()\n"
        "    time.sleep(600)\n"
    )
    wait_until(lambda: (tmp_path / "written").exists(), running)
    remove_stale_temporaries(tmp_path)
    assert len(temporaries(tmp_path)) == 1
    running.kill()
    assert running.wait().code == -signal.SIGKILL
    files._swept.clear()  # as in another process
    write_atomically(tmp_path / "other", b"")
    assert temporaries(tmp_path) == []
