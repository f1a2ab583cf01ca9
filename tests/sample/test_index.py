"""The sample index."""

from pathlib import Path

import pytest

from slic.sample import index as sample_index
from slic.search import Index, clusters_per_level


@pytest.mark.slow
def test_a_sample_index_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_index, "INDEX_VIDEOS", 6)
    tiny = ("--train.epochs=1", "--train.batch_size=4")
    monkeypatch.setattr(sample_index, "INDEX_TRAINING", tiny)
    made = sample_index.make_sample_index(tmp_path, workers=0)
    index = Index.open(made.index_folder)
    count = index.count
    assert count >= 6
    assert clusters_per_level(index)
    assert list(index.parts) == ["appearance", "motion"]
    index.close()
    written = (made.runs / "sample" / "log.jsonl").stat().st_mtime_ns
    sample_index.make_sample_index(tmp_path, workers=0)
    assert (made.runs / "sample" / "log.jsonl").stat().st_mtime_ns == written
    again = Index.open(made.index_folder)
    assert again.count == count
    again.close()
