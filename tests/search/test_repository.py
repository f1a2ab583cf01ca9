"""A database that is damaged, or that this user may only read, is never a traceback."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import (
    Index,
    Query,
    cluster_index,
    list_clusters,
    list_labels,
    near_duplicates,
    search,
    set_label,
)
from slic.search.filters import matching_moments
from slic.search.stores import embedded

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]
Nobody = Callable[[], AbstractContextManager[None]]
PAGE = 4096


def test_damaged_pages_are_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(500), "b": rows(500, seed=1)})
    set_label(index, [1], "wave")
    index.close()
    file = index.path / "index.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (first,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'about'")
    connection.close()
    data = bytearray(file.read_bytes())
    for page in range(first[0] + 1, len(data) // PAGE):  # all but the schema and the table about
        data[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
    file.write_bytes(data)
    damaged = Index.open(index.path)
    calls: list[Callable[[], object]] = [
        lambda: search(damaged, Query(rows(1))),
        lambda: search(damaged, Query(rows(1)), where="path = 'a'"),
        lambda: matching_moments(damaged.database, "path = 'a'", level=0),
        lambda: cluster_index(damaged),
        lambda: list_clusters(damaged),
        lambda: list_labels(damaged),
        lambda: near_duplicates(damaged),
        lambda: damaged.videos(),
        lambda: damaged.moments([1]),
        lambda: damaged.moment_at("a", 1.0),
        lambda: damaged.vectors([1]),
        lambda: set_label(damaged, [1], "x"),
    ]
    for call in calls:
        with pytest.raises(SearchError, match=r"index\.sqlite: .*malformed.*; put a backup back"):
            call()


def test_a_vector_of_another_length_is_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(3)})
    with index.database.transaction() as connection:
        connection.execute("UPDATE moments SET vector = x'00' WHERE id = 2")
    with pytest.raises(SearchError, match="moment 2 of the index has not 8 numbers"):
        search(index, Query(rows(1)))


@pytest.mark.parametrize("exact_up_to", [10**6, 10])
def test_an_index_that_may_only_be_read_is_searched_and_not_changed(
    fill: Fill,
    rows: Rows,
    open_folder: Path,
    nobody: Nobody,
    monkeypatch: pytest.MonkeyPatch,
    exact_up_to: int,
) -> None:
    monkeypatch.setattr(embedded, "EXACT_UP_TO", exact_up_to)
    made = fill({"a": rows(20)})
    made.close()
    shared = made.path.rename(open_folder / "shared")
    (shared / "index.sqlite").chmod(0o444)
    shared.chmod(0o555)
    with nobody():
        index = Index.open(shared)
        assert search(index, Query(rows(1)), where="start_seconds >= 0")[0].path == "a"
        assert search(index, Query(rows(1)))[0].score == pytest.approx(1.0)
        with pytest.raises(SearchError, match=r"readonly database; this index can only be read"):
            set_label(index, [1], "wave")
        index.close()
    shared.chmod(0o755)
    assert [path.name for path in shared.iterdir()] == ["index.sqlite"]


def test_what_another_writer_has_not_folded_in_yet_is_read_too(
    fill: Fill, rows: Rows, add: Callable[..., list[int]], open_folder: Path, nobody: Nobody
) -> None:
    shared = fill({"a": rows(2)}).path.rename(open_folder / "shared")
    writer = Index.open(shared)
    add(writer, "b", rows(3))  # stays in the log while the writer is there
    shared.chmod(0o555)
    with nobody():
        reader = Index.open(shared)
        assert reader.count == 5
        reader.close()
    writer.close()
