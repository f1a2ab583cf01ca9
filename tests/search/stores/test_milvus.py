"""A Milvus server that does not answer. The store itself is tested in test_base."""

from pathlib import Path

import pytest

from slic.errors import SearchError
from slic.search.repository import IndexSettings
from slic.search.stores import open_store


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pymilvus")
    settings = IndexSettings(
        encoder="",
        vectors={"embedding": 8},
        window_seconds=1.0,
        stride_seconds=1.0,
        store="http://127.0.0.1:9",
    )
    with pytest.raises(SearchError, match=r"http://127\.0\.0\.1:9: the Milvus server failed"):
        open_store(tmp_path, settings)
