"""The embedded store: its file, and growing out of one kind of index into the other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.search.stores import StoreLocation, StoreUpdate, embedded
from slic.search.stores.embedded import EmbeddedStore

Rows = Callable[..., np.ndarray]
MakeUpdate = Callable[..., StoreUpdate]


def test_the_inverted_file_is_kept_by_generation_and_a_damaged_one_is_made_anew(
    tmp_path: Path, rows: Rows, update: MakeUpdate
) -> None:
    x, ids = rows(50), np.arange(50)
    store = EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10)
    store.apply(update(x, ids, generation=4, replaces_all=True))
    store.save()
    assert [path.name for path in tmp_path.iterdir()] == ["vectors-4.faiss"]
    store.apply(update(x[:1], np.array([77]), generation=6, replaces_all=False))
    store.save()
    (file,) = tmp_path.iterdir()
    assert file.name == "vectors-6.faiss"
    assert (
        EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10).generation == 6
    )
    file.write_bytes(file.read_bytes()[:500])
    assert (
        EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10).generation
        is None
    )
    assert not file.exists()


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.999])
def test_one_flipped_bit_of_the_inverted_file_is_noticed(
    share: float, tmp_path: Path, rows: Rows, update: MakeUpdate, caplog: pytest.LogCaptureFixture
) -> None:
    location = StoreLocation(folder=tmp_path, dimension=8)
    store = EmbeddedStore(location, exact_up_to=10)
    store.apply(update(rows(50), np.arange(50), generation=4, replaces_all=True))
    store.save()
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[int(share * len(data))] ^= 4
    file.write_bytes(data)
    assert EmbeddedStore(location, exact_up_to=10).generation is None
    assert f"{file}: cannot be used (" in caplog.text


def test_vectors_of_another_length_are_not_used(
    tmp_path: Path, rows: Rows, update: MakeUpdate, caplog: pytest.LogCaptureFixture
) -> None:
    store = EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10)
    store.apply(update(rows(50), np.arange(50), generation=4, replaces_all=True))
    store.save()
    assert EmbeddedStore(StoreLocation(folder=tmp_path, dimension=9)).generation is None
    assert "vectors of another length" in caplog.text


def test_an_inverted_file_looks_through_all_lists_for_more_than_some_hold(
    tmp_path: Path, rows: Rows, update: MakeUpdate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PROBED_LISTS", 1)
    store = EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10)
    store.apply(update(rows(100), np.arange(100), generation=1, replaces_all=True))
    assert sorted(store.search(rows(1, seed=3), 100).ids[0].tolist()) == list(range(100))


def test_a_store_that_outgrows_its_form_asks_to_be_filled_anew(
    tmp_path: Path, rows: Rows, update: MakeUpdate
) -> None:
    store = EmbeddedStore(StoreLocation(folder=tmp_path, dimension=8), exact_up_to=10)
    store.apply(update(rows(8), np.arange(8), generation=1, replaces_all=True))
    store.apply(update(rows(8), np.arange(8, 16), generation=2, replaces_all=False))
    assert store.generation is None
    store.apply(update(rows(16), np.arange(16), generation=2, replaces_all=True))
    assert store.generation == 2
    store.save()
    assert (tmp_path / "vectors-2.faiss").exists()


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_the_inverted_file_finds_the_nearest_for_any_weights_of_the_parts(
    weight: float, tmp_path: Path, rows: Rows, update: MakeUpdate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seventh of the lists is searched, as of the lists of 50,000 moments."""
    count, parts = 4000, (24, 8)
    kinds = [rows(30, dimension=d, seed=d)[np.random.default_rng(d).integers(30, size=count)]
             for d in parts]  # fmt: skip
    noise = [0.3 * rows(count, dimension=d, seed=d + 1) for d in parts]
    x = np.concatenate([a + b for a, b in zip(kinds, noise, strict=True)], axis=1)
    x[:, :24] /= np.linalg.norm(x[:, :24], axis=1, keepdims=True)
    x[:, 24:] /= np.linalg.norm(x[:, 24:], axis=1, keepdims=True)
    monkeypatch.setattr(embedded, "PROBED_LISTS", 36)
    location = StoreLocation(folder=tmp_path, dimension=32, parts=parts)
    store = EmbeddedStore(location, exact_up_to=10)
    store.apply(update(x, np.arange(count), generation=1, replaces_all=True))
    queries = x[:100] * np.repeat(np.array([1 - weight, weight], np.float32), parts)
    exact = np.argsort(-queries @ x.T, axis=1)[:, :10]
    found = store.search(queries, 10).ids
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(found, exact, strict=True)])
    assert recall >= 0.99
