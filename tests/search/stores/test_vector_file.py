"""The mapped vectors are those of the database, whatever was added, removed or damaged."""

import mmap
import multiprocessing
import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import WriteError
from slic.search import Index
from slic.search import vectors as vectors_module
from slic.search.repository.moments import concatenate_blocks, stream_vectors
from slic.search.repository.videos import delete_video
from slic.search.stores import StoreUpdate, mapped_rows
from slic.search.stores.vector_file import VECTORS_FOLDER, VectorFile
from slic.search.vectors import Vectors

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]
Add = Callable[..., list[int]]
MakeUpdate = Callable[..., StoreUpdate]


def truth(index: Index) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors from the database, block by block."""
    with index.database.snapshot() as connection:
        blocks = stream_vectors(connection, since=0, dimension=8)
        return concatenate_blocks(blocks, 10_000, 8)


def assert_same(vectors: Vectors, index: Index) -> None:
    ids, x = truth(index)
    found_ids, found = vectors.everything()
    assert np.array_equal(found_ids, ids)
    assert np.array_equal(found, x)
    asked = np.unique(np.concatenate([ids[::3], [0, 10**9]]))
    some_ids, some = vectors.some(asked)
    assert np.array_equal(some_ids, ids[::3])
    assert np.array_equal(some, x[::3])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_rows, "ROWS_PER_BLOCK", 4)
    monkeypatch.setattr(mapped_rows, "IDS_PER_BLOCK", 8)
    monkeypatch.setattr(mapped_rows, "MAX_ROWS_READ", 8)


def test_the_files_follow_the_database(fill: Fill, rows: Rows, add: Add) -> None:
    index = fill({"a": rows(21), "b": rows(7, seed=1)})
    vectors = Vectors(index.database, mapped_from=0)
    other = Vectors(index.database, mapped_from=0)
    kept, _ = vectors.everything()
    assert_same(vectors, index)
    for step, name in enumerate("cde"):
        add(index, name, rows(2 + 3 * step, seed=step + 2))
        assert_same(vectors if step % 2 else other, index)
    with index.database.transaction() as connection:
        delete_video(connection, index.videos()[2].id)
    assert_same(vectors, index)  # two rows are dead
    assert_same(other, index)
    assert len(vectors.file.ids) > len(vectors.everything()[0])
    with index.database.transaction() as connection:
        delete_video(connection, index.videos()[0].id)
    assert_same(vectors, index)  # so many are that all is written again
    assert len(vectors.file.ids) == len(vectors.everything()[0])
    assert len(list(vectors.file.folder.glob("rows-*"))) == 2
    assert len(kept) == 28
    index.close()


def test_a_caller_may_change_what_it_is_given(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(30)})
    vectors = Vectors(index.database, mapped_from=0)
    vectors.everything()[1][:] *= 2
    assert_same(vectors, index)


def test_a_small_index_has_no_files_and_a_large_one_has(
    fill: Fill, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = fill({"a": rows(30)})
    index.all_vectors()
    index.sync_store()
    assert not (index.path / VECTORS_FOLDER).exists()
    monkeypatch.setattr(vectors_module, "MAPPED_FROM", 30)
    again = Index.open(index.path)
    assert np.array_equal(again.all_vectors()[1], truth(index)[1])
    assert (index.path / VECTORS_FOLDER).exists()
    again.close()


@pytest.mark.parametrize("suffix", ["manifest", "*.f32", "*.i64"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
@pytest.mark.parametrize("cut", [False, True])
def test_damage_is_noticed_and_the_files_are_made_again(
    suffix: str, share: float, cut: bool, fill: Fill, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    index = fill({"a": rows(30)})
    assert Vectors(index.database, mapped_from=0).follow()
    (file,) = (index.path / VECTORS_FOLDER).glob(suffix)
    data = bytearray(file.read_bytes())
    place = int(share * len(data))
    data[place] ^= 4
    file.write_bytes(data[:place] if cut else data)
    vectors = Vectors(index.database, mapped_from=0)
    assert_same(vectors, index)
    assert f"{index.path / VECTORS_FOLDER}: cannot be used (" in caplog.text
    assert_same(Vectors(index.database, mapped_from=0), index)


def test_a_search_checks_only_the_blocks_that_it_needs(
    fill: Fill, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    index = fill({"a": rows(30)})
    Vectors(index.database, mapped_from=0).follow()
    (file,) = (index.path / VECTORS_FOLDER).glob("*.f32")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    vectors = Vectors(index.database, mapped_from=0)
    assert vectors.some(np.array([1, 2, 9]))[0].tolist() == [1, 2, 9]
    assert not caplog.text
    assert np.array_equal(vectors.some(np.array([29, 30]))[1], truth(index)[1][28:])
    assert "checksum of block 7" in caplog.text


def test_a_reader_goes_on_while_another_process_writes(
    tmp_path: Path, rows: Rows, update: MakeUpdate
) -> None:
    writer, x = VectorFile(tmp_path, 8), rows(40)
    writer.apply(update(x[:10], np.arange(10), generation=1, replaces_all=True))
    reader = VectorFile(tmp_path, 8)
    mapped = reader.everything()
    assert mapped is not None
    writer.apply(update(x[10:], np.arange(10, 40), generation=2, replaces_all=False))
    assert reader.generation == 1
    assert np.array_equal(mapped[1], x[:10])
    reader.refresh()
    assert reader.generation == 2
    writer.apply(update(x[30:], np.arange(30, 40), generation=3, replaces_all=True))
    found = reader.everything()  # its files were removed, and stay open
    assert found is not None
    assert np.array_equal(found[1], x)
    assert np.array_equal(mapped[1], x[:10])


def test_an_update_may_be_applied_twice_and_by_two_processes(
    tmp_path: Path, rows: Rows, update: MakeUpdate
) -> None:
    x, one, other = rows(30), VectorFile(tmp_path, 8), VectorFile(tmp_path, 8)
    one.apply(update(x[:10], np.arange(10), generation=1, replaces_all=True))
    for file in (one, other, one):
        file.apply(
            update(x[10:20], np.arange(10, 20), generation=2, replaces_all=False, removed=(3,))
        )
    found = VectorFile(tmp_path, 8).everything()
    assert found is not None
    assert found[0].tolist() == [i for i in range(20) if i != 3]
    assert other.generation == 2


def _append_and_die(folder: Path, x: np.ndarray, after: int) -> None:
    """Append rows, and kill this process at its n-th write, rename or flush."""
    calls = 0

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            if calls == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return run

    Path.replace = counted(Path.replace)  # type: ignore[method-assign, assignment]
    os.fsync = counted(os.fsync)  # type: ignore[assignment]
    zlib.crc32 = counted(zlib.crc32)  # type: ignore[assignment]
    ids = np.arange(10, 10 + len(x))
    VectorFile(folder, 8).apply(
        StoreUpdate(
            generation=2, count=len(x), removed=np.array([2]), added=iter([(ids, x)]),
            replaces_all=False,
        )
    )  # fmt: skip


@pytest.mark.parametrize("after", [1, 8, 12, 15, 18, 20, 21, 22, 23, 24, 25])
def test_a_kill_leaves_the_state_before_or_after(
    after: int, tmp_path: Path, rows: Rows, update: MakeUpdate
) -> None:
    x = rows(30)
    VectorFile(tmp_path, 8).apply(update(x[:10], np.arange(10), generation=1, replaces_all=True))
    child = multiprocessing.get_context("fork").Process(
        target=_append_and_die, args=(tmp_path, x[10:], after)
    )
    child.start()
    child.join()
    file = VectorFile(tmp_path, 8)
    assert file.generation in (1, 2)
    done = file.generation == 2
    file.apply(update(x[10:], np.arange(10, 30), generation=2, replaces_all=False, removed=(2,)))
    found = file.everything()
    assert found is not None
    assert found[0].tolist() == [i for i in range(30) if i != 2]
    assert np.array_equal(found[1], x[found[0]])
    assert child.exitcode == (-signal.SIGKILL if not done else child.exitcode)


def test_a_folder_without_permission_and_a_full_disk_fall_back_to_the_database(
    fill: Fill, rows: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = fill({"a": rows(30)})
    monkeypatch.setattr(vectors_module, "is_writable", lambda _: False)
    vectors = Vectors(index.database, mapped_from=0)
    assert_same(vectors, index)
    assert not (index.path / VECTORS_FOLDER).exists()
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise WriteError("vectors: could not be written (no space left on device).")

    monkeypatch.setattr(VectorFile, "apply", full)
    assert np.array_equal(vectors.everything()[1], truth(index)[1])
    assert "no space left on device). The vectors are read from the database" in caplog.text


def test_a_system_without_pread_and_mapping_flags(
    fill: Fill, rows: Rows, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has neither."""
    monkeypatch.delattr(os, "pread")
    monkeypatch.delattr(mmap, "MAP_PRIVATE")
    index = fill({"a": rows(21), "b": rows(7, seed=1)})
    vectors = Vectors(index.database, mapped_from=0)
    assert_same(vectors, index)
    _, changed = vectors.everything()
    changed *= 2
    add(index, "c", rows(9, seed=2))
    assert_same(vectors, index)
