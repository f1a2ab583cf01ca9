"""The values that describe a whole index."""

from collections.abc import Callable

import numpy as np

from slic.search import Index
from slic.search.repository import INDEX_FORMAT
from slic.search.repository.schema import (
    next_generation,
    read_about,
    read_generation,
    read_level,
    write_level,
)

Rows = Callable[..., np.ndarray]
Fill = Callable[..., Index]


def test_a_new_index_has_its_format_and_an_identity_of_its_own(fill: Fill, rows: Rows) -> None:
    one, other = (fill({"a": rows(1)}, name=name) for name in ("one", "other"))
    assert one.settings.identity != other.settings.identity
    assert len(one.settings.identity) == 16
    assert Index.create(one.path, other.settings).settings == one.settings  # it was there
    with one.database.reading() as connection:
        assert read_about(connection)["format"] == str(INDEX_FORMAT)


def test_generation_and_level(fill: Fill, rows: Rows) -> None:
    index = fill({"a": rows(1)})
    before = index.generation
    with index.database.transaction() as connection:
        assert next_generation(connection) == before + 1
        assert read_generation(connection) == before + 1
        assert read_level(connection) == 0
        write_level(connection, 3)
    assert (index.generation, index.level) == (before + 1, 3)
