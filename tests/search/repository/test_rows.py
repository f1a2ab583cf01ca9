"""Rows become objects and arrays."""

from dataclasses import dataclass

import numpy as np
import pytest

from slic.search.repository.rows import as_ids, as_objects, placeholders


@dataclass(frozen=True, kw_only=True)
class Point:
    x: int
    y: int


def test_columns_are_fields_in_their_order() -> None:
    assert as_objects(Point, [(1, 2), (3, 4)]) == [Point(x=1, y=2), Point(x=3, y=4)]
    with pytest.raises(ValueError, match="zip"):
        as_objects(Point, [(1, 2, 3)])


def test_the_first_column_is_an_array() -> None:
    for rows, ids in (([(3, "a"), (1, "b")], [3, 1]), ([], [])):
        found = as_ids(rows)
        np.testing.assert_array_equal(found, ids)
        assert found.dtype == np.int64


def test_there_is_a_placeholder_for_each_value() -> None:
    assert [placeholders(values) for values in ([], [1], {1, 2})] == ["", "?", "?,?"]
