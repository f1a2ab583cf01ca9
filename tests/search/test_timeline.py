"""Ranges of a video: as labels of the moments that they cover, and as queries."""

from collections.abc import Callable

import numpy as np
import pytest

from slic.errors import LabelError, SearchError
from slic.search import (
    Index,
    labels_of_moments,
    list_labels,
    query_from_moments,
    search,
    set_label,
    undo_label_change,
)
from slic.search.query import MAX_QUERY_WINDOWS
from slic.search.timeline import label_range, query_from_range, video_timeline

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


@pytest.fixture
def index(fill: Fill, rows: Rows) -> Index:
    """Return an index of two videos, whose moments are 2 s long and start every second."""
    return fill({"a": rows(12), "b": np.concatenate([rows(4, seed=1), rows(12)[3:7]])})


def test_a_timeline_is_in_the_order_of_time(index: Index) -> None:
    (a, _) = index.videos()
    label_range(index, a.id, start_seconds=6.5, end_seconds=9.25, label="fall")
    label_range(index, a.id, start_seconds=1.0, end_seconds=2.0, label="walk")
    moments, labels = video_timeline(index, a.id)
    assert moments.ids.tolist() == list(range(1, 13))
    assert moments.starts.tolist() == list(range(12))
    assert (moments.ends - moments.starts).tolist() == [2.0] * 12
    assert [(s.start_seconds, s.end_seconds, v.label) for s, v in labels] == [
        (1.0, 2.0, "walk"),
        (6.5, 9.25, "fall"),
    ]


def test_moments_that_a_range_covers_enough_get_its_label(index: Index) -> None:
    a = index.videos()[0].id
    change = label_range(index, a, start_seconds=2.7, end_seconds=5.9, label=" a  fall ")
    labels = labels_of_moments(index)
    covered = [i + 1 for i in range(12) if min(5.9, i + 2) - max(2.7, i) >= 0.6 * 2]
    assert sorted(labels) == covered == [3, 4, 5]
    assert {value.label for value in labels.values()} == {"a fall"}
    assert undo_label_change(index, change_id=change.id) == 1
    assert list_labels(index) == []


def test_removing_a_range_removes_what_lies_in_it(index: Index) -> None:
    a = index.videos()[0].id
    label_range(index, a, start_seconds=0.0, end_seconds=8.0, label="long")
    set_label(index, [4, 5], "inside")
    change = label_range(index, a, start_seconds=2.9, end_seconds=6.1, label=None)
    assert change.moments == 2
    assert [label.label for label in list_labels(index)] == ["long"]
    assert undo_label_change(index, change_id=change.id) == 2
    assert len(list_labels(index)) == 3
    assert label_range(index, a, start_seconds=9.0, end_seconds=10.0, label=None).moments == 0


def test_a_range_finds_the_same_range_of_another_video(index: Index) -> None:
    a, b = (video.id for video in index.videos())
    query = query_from_range(index, a, start_seconds=2.9, end_seconds=8.05)
    assert query.moments == (4, 5, 6, 7)
    best = search(index, query, k=1)[0]
    assert (best.video_id, best.start_seconds) == (b, 4.0)
    assert best.score == pytest.approx(1.0)


def test_a_range_without_a_whole_moment_is_the_one_that_shares_most(index: Index) -> None:
    a = index.videos()[0].id
    query = query_from_range(index, a, start_seconds=5.2, end_seconds=6.9)
    assert query.moments == (6,)
    assert query.vectors == pytest.approx(query_from_moments(index, [6]).vectors)


def test_what_is_no_range_is_one_line(index: Index, fill: Fill, rows: Rows) -> None:
    a = index.videos()[0].id
    for start, end in ((5.0, 5.0), (6.0, 5.0), (1e6, 2e6)):
        with pytest.raises(SearchError, match=r"^a: the range from .* is empty"):
            label_range(index, a, start_seconds=start, end_seconds=end, label="x")
    with pytest.raises(SearchError, match="there is no video 99"):
        video_timeline(index, 99)
    with pytest.raises(LabelError, match="printable characters"):
        label_range(index, a, start_seconds=0.0, end_seconds=1.0, label="  ")
    long = fill({"long": rows(MAX_QUERY_WINDOWS + 1)}, name="long")
    with pytest.raises(SearchError, match="too long for a query; choose a range of at most 600 s"):
        query_from_range(long, 1, start_seconds=0.0, end_seconds=1e9)
