"""Rows of a query as objects and as arrays, and the placeholders of a statement."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64

RowT = TypeVar("RowT")


def as_objects(kind: type[RowT], rows: Iterable[Sequence[Any]]) -> list[RowT]:
    """Return an object for each row. Its columns are the fields of the dataclass, in their order.

    Args:
        kind: The dataclass.
        rows: The rows of a query.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return [kind(**dict(zip(names, row, strict=True))) for row in rows]


def as_ids(rows: Iterable[Sequence[Any]]) -> Int64[np.ndarray, " n"]:
    """Return the first column of the rows."""
    return np.array([row[0] for row in rows], dtype=np.int64)


def placeholders(values: Collection[Any]) -> str:
    """Return a question mark for each value, with commas between them."""
    return ",".join("?" * len(values))
