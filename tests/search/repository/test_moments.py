"""Moments and vectors are read as they were written, by generation."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import Index, Query, search
from slic.search.repository import moments
from slic.search.repository.moments import (
    concatenate_blocks,
    copy_moments_to_duplicates,
    select_removed,
    select_times,
    stream_vectors,
)
from slic.search.repository.videos import delete_video

Add = Callable[..., list[int]]
Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_a_vector_of_another_length_is_one_line(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(3)})
    with index.database.transaction() as connection:
        connection.execute("UPDATE moments SET vector = x'00' WHERE id = 2")
    with pytest.raises(SearchError, match="moment 2: its vector does not have 8 numbers"):
        search(index, Query(rows(1)))


def test_vectors_are_streamed_in_blocks_from_a_generation_on(
    fill: Fill, rows: Rows, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "ROWS_PER_QUERY", 4)
    index = fill({"a": rows(6)})
    before = index.generation
    later = add(index, "b", rows(5, seed=1))
    with index.database.reading() as connection:
        everything = list(stream_vectors(connection, since=0, dimension=8))
        new = list(stream_vectors(connection, since=before, dimension=8))
    assert [len(ids) for ids, _ in everything] == [4, 4, 3]
    assert np.concatenate([ids for ids, _ in everything]).tolist() == index.ids().tolist()
    joined_ids, joined = concatenate_blocks(iter(everything), 20, 8)  # fewer than 20
    assert joined_ids.tolist() == index.ids().tolist()
    np.testing.assert_array_equal(joined, np.concatenate([x for _, x in everything]))
    assert np.concatenate([ids for ids, _ in new]).tolist() == later
    assert np.concatenate([x for _, x in new]) == pytest.approx(rows(5, seed=1))
    ids = [11, 2, 7, 2, 5]  # in several statements, repeated and out of order
    x = np.concatenate([rows(6), rows(5, seed=1)])
    assert index.vectors(ids) == pytest.approx(x[[i - 1 for i in ids]])
    assert [moment.id for moment in index.moments(ids)] == ids


def test_removed_moments_are_recorded_with_their_generation(
    fill: Fill, rows: Rows, add: Add
) -> None:
    index = fill({"a": rows(2), "b": rows(3, seed=1)})
    first, second = index.videos()
    before = index.generation
    with index.database.transaction() as connection:
        delete_video(connection, first.id)
        assert select_removed(connection, since=before).tolist() == [1, 2]
        assert select_removed(connection, since=before + 1).tolist() == []
        assert set(select_times(connection).videos.tolist()) == {second.id}
    assert index.ids().tolist() == [3, 4, 5]
    assert add(index, "c", rows(1)) == [6]  # no id is given twice


def test_duplicates_are_given_the_moments_they_lack(fill: Fill, rows: Rows, add: Add) -> None:
    index = fill({"a": rows(3)})
    add(index, "copy", rows(1, seed=5))
    add(index, "other", rows(0))
    with index.database.transaction() as connection:
        connection.execute("UPDATE videos SET content_id = 'same' WHERE path <> 'other'")
        copy_moments_to_duplicates(connection)
    original, copy, other = index.videos()
    assert (original.moments, copy.moments, other.moments) == (3, 3, 0)
    numbers = index.moment_numbers([copy.id])[copy.id]
    x = index.vectors([numbers[i] for i in range(3)])
    assert x == pytest.approx(np.concatenate([rows(1, seed=5), rows(3)[1:]]))
