"""The moments of an index are rows of a table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slic.search import Index
from slic.search import embedding_table as tested
from slic.search.embedding_table import export_embeddings


def test_every_moment_is_a_row_with_its_vector(
    tmp_path: Path,
    fill: Callable[..., Index],
    rows: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tested, "ROWS_PER_QUERY", 4)
    index = fill({"a.mp4": rows(3), "sub/b.mp4": rows(7, seed=1)})
    assert export_embeddings(index, tmp_path / "moments.parquet") == 10
    frame = pd.read_parquet(tmp_path / "moments.parquet")
    moments = index.moments(index.ids())
    assert frame["id"].tolist() == ["a.mp4"] * 3 + ["sub/b.mp4"] * 7
    assert frame["start_seconds"].tolist() == [moment.start_seconds for moment in moments]
    assert frame["end_seconds"].tolist() == [moment.end_seconds for moment in moments]
    assert np.array_equal(np.stack(frame["embedding"]), index.vectors(index.ids()))
    export_embeddings(index, tmp_path / "moments.npz")
    with np.load(tmp_path / "moments.npz") as arrays:
        assert np.array_equal(arrays["embedding"], index.vectors(index.ids()))
