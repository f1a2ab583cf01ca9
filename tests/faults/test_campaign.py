from pathlib import Path

import pytest

from tests.faults import campaign as module
from tests.faults.campaign import Campaign


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
