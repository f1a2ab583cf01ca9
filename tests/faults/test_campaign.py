from pathlib import Path

import pytest

from tests.faults import campaign as module
from tests.faults.campaign import Campaign, table


def test_only_the_long_campaign_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORD", tmp_path / "soak.jsonl")
    quick, long = Campaign("t", soak=False), Campaign("t", soak=True)
    assert (quick.trials(quick=2, soak=50), long.trials(quick=2, soak=50)) == (2, 50)
    quick.record("kill -9", tried=2, survived=2)
    assert not module.RECORD.exists()
    long.record("kill -9", tried=50, survived=49, note="one lost")
    line = '{"test": "t", "fault": "kill -9", "tried": 50, "survived": 49, "note": "one lost"}\n'
    assert module.RECORD.read_text() == line


def test_the_last_record_of_each_case_counts_in_the_table() -> None:
    line = '{"test": "t", "fault": "%s", "tried": %d, "survived": %d, "note": "n"}'
    records = [line % ("kill: a", 2, 1), line % ("kill: b", 1000, 999), line % ("kill: a", 4, 4)]
    assert list(table([*records, line % ("steps", 1, 1)]))[2:] == [
        "| kill, 2 cases | 1,004 | 1,003 | `t` |",
        "| steps; n | 1 | 1 | `t` |",
    ]
