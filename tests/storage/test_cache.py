"""The cache gives what was put in, or nothing; it stays below its limit and may be deleted."""

import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from slic.errors import WriteError
from slic.storage.cache import BLOCK_BYTES, RangeCache, cache_bytes
from slic.storage.states import ObjectState

STATE = ObjectState(1 << 20, 5, '"tag"')
URL = "s3://films/a.mp4"
Nobody = Callable[[], AbstractContextManager[None]]


def some_bytes(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(length)


def test_every_range_that_was_put_in_comes_out(tmp_path: Path) -> None:
    cache, data = RangeCache(tmp_path / "c", limit=1 << 30), some_bytes(3 * BLOCK_BYTES + 17)
    cache.write(URL, STATE, 100, data)
    for start, end in (
        (100, 110),
        (100 + BLOCK_BYTES - 1, 100 + 2 * BLOCK_BYTES + 1),
        (900, 1 << 19),
    ):
        assert cache.read(URL, STATE, start, end) == data[start - 100 : end - 100]
    assert cache.read(URL, STATE, 99, 200) == b""
    assert cache.read(URL, STATE, 100 + len(data), 1 << 19) == b""
    assert cache.read(URL, STATE._replace(tag="other"), 100, 200) == b""
    assert cache.next_kept(URL, STATE, 0, 1000) == 100
    assert cache.next_kept(URL, STATE, 0, 50) == 50


def test_a_damaged_file_is_noticed_and_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache, data = RangeCache(tmp_path, limit=1 << 30), some_bytes(3 * BLOCK_BYTES)
    for damage in range(3):
        cache.write(URL, STATE, 0, data)
        (file,) = tmp_path.glob("*/*/*")
        content = bytearray(file.read_bytes())
        if damage == 0:
            content[BLOCK_BYTES + 5] ^= 1
        file.write_bytes(
            content[: len(content) - 9] if damage == 1 else content if not damage else b""
        )
        assert cache.read(URL, STATE, BLOCK_BYTES, BLOCK_BYTES + 10) == b""
        assert not file.exists()
    assert "damaged" in caplog.text


def test_the_oldest_are_dropped_first(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, limit=40_000)
    for number in range(60):
        cache.write(f"{URL}{number}", STATE, 0, some_bytes(1000, number))
        for file in tmp_path.glob("*/*/0-1000"):
            if file.stat().st_mtime > 1e9:
                os.utime(file, (number, number))
        if number >= 10:
            RangeCache(tmp_path, limit=40_000).read(URL + "3", STATE, 0, 10)  # another process
    sizes = [file.stat().st_size for file in tmp_path.glob("*/*/*")]
    assert 30_000 < sum(sizes) <= 40_000 * 33 / 32
    assert cache.read(URL + "59", STATE, 0, 1000) == some_bytes(1000, 59)
    assert cache.read(URL + "3", STATE, 0, 1000) == some_bytes(1000, 3)
    assert cache.read(URL + "10", STATE, 0, 1000) == b""


def write_and_read(folder: Path, seed: int) -> int:
    """Use a cache that is much too small; return how often a range came out, and it was right."""
    cache, found = RangeCache(folder, limit=60_000), 0
    for number in np.random.default_rng(seed).integers(0, 20, 150).tolist():
        data = some_bytes(5000, number)
        kept = cache.read(f"{URL}{number}", STATE, 0, 5000)
        assert kept in (b"", data)
        found += bool(kept)
        if not kept:
            cache.write(f"{URL}{number}", STATE, 0, data)
    return found


def test_several_processes_share_it(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        found = pool.starmap(write_and_read, [(tmp_path, seed) for seed in range(3)])
    assert min(found) > 10


def test_it_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path / "c", limit=1 << 20)
    for _ in range(2):
        cache.write(URL, STATE, 0, b"abc")
        assert cache.read(URL, STATE, 0, 3) == b"abc"
        shutil.rmtree(tmp_path / "c")
        assert cache.read(URL, STATE, 0, 3) == b""


def test_where_nothing_can_be_written_one_line_says_so(
    open_folder: Path, nobody: Nobody, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RangeCache(open_folder / "closed" / "c", limit=1 << 20)
    (open_folder / "closed").mkdir(mode=0o555)
    with nobody(), caplog.at_level(logging.WARNING):
        for start in range(3):
            cache.write(URL, STATE, start, b"abc")
    assert cache.read(URL, STATE, 0, 3) == b""
    assert len(caplog.messages) == 1
    assert "permission denied" in caplog.text


def test_the_limit_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIC_CACHE_BYTES", "0")
    assert cache_bytes() == 0
    monkeypatch.setenv("SLIC_CACHE_BYTES", "ten")
    with pytest.raises(WriteError, match="SLIC_CACHE_BYTES=ten: not a whole number"):
        cache_bytes()
