"""The map in the background, and results that are cached until the database changes."""

import importlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import set_label
from slic.studio.projection import MomentMap
from slic.studio.state import MAX_CACHED_RESULTS, Studio


def wait_for_map(studio: Studio) -> MomentMap:
    while (made := studio.current_map()) is None:
        assert studio.take_map_error() is None
        time.sleep(0.01)
    return made


def call_here(monkeypatch: pytest.MonkeyPatch, studio: Studio) -> None:
    """Compute the map in a thread of this process, which does not have to start."""
    monkeypatch.setattr(
        studio._map_worker, "call", lambda function, *given, **more: function(*given, **more)
    )


def test_a_result_is_cached_until_the_database_changes(studio: Studio) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(0)
        return len(made)

    assert [studio.cached("key", make) for _ in range(3)] == [1, 1, 1]
    set_label(studio.index, studio.index.ids()[:1].tolist(), "label")
    assert [studio.cached("key", make) for _ in range(2)] == [2, 2]
    for other in range(MAX_CACHED_RESULTS):
        studio.cached(other, lambda: None)
    assert studio.cached("key", make) == 3


def test_moments_are_shuffled_the_same_way_each_time(studio: Studio) -> None:
    ids = studio.shuffled_ids().tolist()
    assert sorted(ids) == studio.index.ids().tolist()
    assert ids != sorted(ids)
    set_label(studio.index, ids[:1], "label")
    assert studio.shuffled_ids().tolist() == ids


def test_a_reader_who_may_not_write_into_the_index_has_a_map(
    readable_studio: Studio,
    nobody: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call_here(monkeypatch, readable_studio)
    importlib.import_module("slic.report.projection")  # nobody may not read the interpreter's files
    with nobody():
        made = wait_for_map(readable_studio)
    assert np.array_equal(made.ids, readable_studio.index.ids())
    assert not (readable_studio.index.path / "map.npz").exists()


def test_a_map_that_failed_is_tried_again_after_its_error_is_taken(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SearchError("no memory left")

    monkeypatch.setattr(studio._map_worker, "call", fail)
    while (error := studio.take_map_error()) is None:
        assert studio.current_map() is None
        time.sleep(0.01)
    assert error == "no memory left"
    call_here(monkeypatch, studio)
    assert wait_for_map(studio).generation == studio.index.generation


def test_starting_does_not_wait_and_loads_all(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load, loaded = threading.Event(), threading.Event()

    def load(*_: object) -> None:
        may_load.wait()
        loaded.set()

    monkeypatch.setattr(studio.worker, "call", load)
    call_here(monkeypatch, studio)
    studio.start()
    assert not loaded.is_set()
    may_load.set()
    assert loaded.wait(60)
    wait_for_map(studio)
