"""A moment has the label of the nearest segment that covers most of it."""

from collections.abc import Callable

import numpy as np

from slic.search import Index, labels_of_moments
from slic.search.repository.labels import (
    LabelValue,
    Segment,
    change_label,
    last_change_id,
    next_change_id,
    revert_change,
    select_labels,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_slow_truth_over_all_segments(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(8)})
    segments = [
        (0.0, 2.0, "x"),
        (0.5, 9.0, "long"),  # starts first and covers most moments, but is seldom the nearest
        (2.6, 4.6, "y"),
        (3.1, 9.0, "z"),
        (6.0, 6.9, "short"),
    ]
    with index.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO labels VALUES ('content of a', ?, ?, ?, 1.0, 'given')", segments
        )
    for moment in index.moments(index.ids()):
        start, end = moment.start_seconds, moment.end_seconds
        near = [
            (abs(s - start) + abs(e - end), s, name)
            for s, e, name in segments
            if min(e, end) - max(s, start) >= 0.6 * (end - start)
        ]
        assert moment.label == (min(near)[2] if near else None)


def test_a_change_is_reverted_segment_by_segment_in_reverse(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2)})
    segment = Segment("content of a", 0.0, 2.0)
    given = LabelValue("given", 1.0, "given")
    with index.database.transaction() as connection:
        assert last_change_id(connection) is None
        first = next_change_id(connection)
        change_label(connection, first, segment, given)
        second = next_change_id(connection)
        assert second > first
        change_label(connection, second, segment, None)
        change_label(connection, second, segment, LabelValue("spread", 0.5, "spread"))
        (label,) = select_labels(connection)
        assert (label.path, label.label, label.confidence) == ("a", "spread", 0.5)
        assert revert_change(connection, second) == 2
        (label,) = select_labels(connection)
        assert (label.label, label.source) == ("given", "given")
        assert next_change_id(connection) > second  # not given again
        assert revert_change(connection, first) == 1
        assert select_labels(connection) == []
        assert revert_change(connection, last_change_id(connection)) == 0


def test_the_label_of_a_moment_has_its_confidence_and_source(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(2)})
    value = LabelValue("wave", 0.75, "spread")
    with index.database.transaction() as connection:
        change_label(connection, 1, Segment("content of a", 0.0, 2.0), value)
    assert labels_of_moments(index) == {1: value}
