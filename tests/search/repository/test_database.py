"""A damaged, foreign, read-only or locked database ends in one line, never in a traceback."""

import errno
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from slic.errors import FormatError, SearchError, WriteError
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    Query,
    cluster_index,
    create_index,
    list_clusters,
    list_labels,
    near_duplicates,
    search,
    set_label,
)
from slic.search.repository import DATABASE_FILE, INDEX_FORMAT, schema
from slic.search.repository.database import PAGE_BYTES
from slic.search.repository.filters import matching_moments
from slic.search.stores import embedded

Fill = Callable[..., Index]
Rows = Callable[..., np.ndarray]
Nobody = Callable[[], AbstractContextManager[None]]


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
    for page in range(
        first[0] + 1, len(data) // PAGE_BYTES
    ):  # all but the schema and the table about
        data[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = b"\xa5" * PAGE_BYTES
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
        with pytest.raises(SearchError, match=r"index\.sqlite: .*malformed.*; restore a backup"):
            call()


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
        with pytest.raises(WriteError, match="readonly database; this index is read-only"):
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


def test_no_index_and_a_foreign_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="no index here; make one with `slic index`"):
        Index.open(tmp_path)
    (tmp_path / DATABASE_FILE).write_bytes(b"something else" * 100)
    with pytest.raises(FormatError, match="not the database of an index"):
        Index.open(tmp_path)


@pytest.mark.parametrize("change", ["SET value = '99'", "SET key = 'version', value = '1'"])
def test_an_index_of_another_format_is_refused_with_the_command_that_makes_it_again(
    fill: Fill, rows: Rows, change: str
) -> None:
    index = fill({"a": rows(2)})
    with index.database.transaction() as connection:
        connection.execute(f"UPDATE about {change} WHERE key = 'format'")
    there = "99" if "99" in change else "1"
    message = (
        f"has format {there}, this version of slic reads format {INDEX_FORMAT}; .*`slic index`"
    )
    with pytest.raises(FormatError, match=message):
        Index.open(index.path)


def test_an_unfinished_log_that_may_only_be_read_is_not_ignored(
    fill: Fill, rows: Rows, add: Callable[..., list[int]], open_folder: Path, nobody: Nobody
) -> None:
    writer = fill({"a": rows(2)})
    add(writer, "b", rows(3))  # in the log while the writer is open
    for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal"):
        shutil.copy(writer.path / name, open_folder / name)
        (open_folder / name).chmod(0o444)
    writer.close()
    open_folder.chmod(0o555)
    with nobody(), pytest.raises(SearchError, match="open it once as a user with permission"):
        Index.open(open_folder)
    open_folder.chmod(0o755)
    assert Index.open(open_folder).count == 5


def test_a_failed_transaction_changes_nothing(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2)})

    def delete_and_fail() -> None:
        with index.database.transaction() as connection:
            connection.execute("DELETE FROM moments")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        delete_and_fail()
    assert index.count == 2


def test_a_snapshot_does_not_see_later_commits(
    fill: Fill, rows: Rows, add: Callable[..., list[int]]
) -> None:
    index = fill({"a": rows(2)})
    other = Index.open(index.path)
    with index.database.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM moments").fetchone() == (2,)
        add(other, "b", rows(3))
        assert connection.execute("SELECT count(*) FROM moments").fetchone() == (2,)
    assert index.count == 5


@pytest.mark.parametrize("left", ["an empty file", "no tables", "no tables and a log"])
def test_a_creation_that_was_killed_is_made_again(
    tmp_path: Path, encoder: VideoEncoder, left: str
) -> None:
    path = tmp_path / DATABASE_FILE
    if left == "an empty file":
        path.touch()
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        if left == "no tables and a log":
            path.with_name(f"{DATABASE_FILE}-wal").write_bytes(b"half")
    index = create_index(tmp_path, encoder)
    assert index.count == 0
    index.close()
    assert create_index(tmp_path, encoder).count == 0  # opens it


def test_a_full_disk_at_creation_leaves_no_index(
    tmp_path: Path, encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("CREATE TABLE half (a)")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "create_tables", full)
        with pytest.raises(WriteError, match="could not be written"):
            create_index(tmp_path, encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
    assert create_index(tmp_path, encoder).count == 0


@pytest.mark.parametrize("hard_links", [True, False])
def test_two_processes_that_create_an_index_get_the_same(
    monkeypatch: pytest.MonkeyPatch, fill: Fill, rows: Rows, hard_links: bool
) -> None:
    if not hard_links:

        def refused(*_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refused)
    index = fill({"a": rows(2)})
    again = Index.create(index.path, index.settings)
    assert again.count == 2
    assert sorted(path.name for path in index.path.glob(".*")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON labels BEGIN DELETE FROM moments; END",
        "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x FROM c) SELECT x FROM c",
        "CREATE TABLE more (a)",
        "CREATE INDEX slow ON moments (vector)",
        "ALTER TABLE tree ADD COLUMN a",
    ],
)
def test_a_schema_with_more_than_ours_is_refused(fill: Fill, rows: Rows, statement: str) -> None:
    index = fill({"a": rows(2)})
    index.close()
    connection = sqlite3.connect(index.path / DATABASE_FILE)
    connection.execute(statement)
    connection.close()
    with pytest.raises(FormatError, match=r"has the \w+ '\w+', which no index has"):
        Index.open(index.path)


def test_an_analysed_index_and_one_without_later_tables_are_opened(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2)})
    index.close()
    connection = sqlite3.connect(index.path / DATABASE_FILE)
    connection.execute("ANALYZE")
    connection.execute("DROP TABLE cluster_changes")
    connection.close()
    assert Index.open(index.path).count == 2


@pytest.mark.parametrize(
    "change",
    [
        {"window_seconds": 1e-9}, {"window_seconds": None}, {"window_seconds": float("nan")},
        {"stride_seconds": -1}, {"stride_seconds": "1"}, {"vectors": {}},
        {"vectors": {"a": -3}}, {"vectors": {"a": 10**9}}, {"vectors": [3]},
        {"encoder": 3}, {"store": None}, {"identity": None}, {"more": 1},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(fill: Fill, rows: Rows, change: dict[str, object]) -> None:
    index = fill({"a": rows(2)})
    settings = json.dumps(asdict(index.settings) | change)
    with index.database.transaction() as connection:
        connection.execute("UPDATE about SET value = ? WHERE key = 'settings'", [settings])
    with pytest.raises(FormatError, match="not the database of an index"):
        Index.open(index.path)
