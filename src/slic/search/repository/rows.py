"""Rows of a query as objects and as arrays, and the placeholders of a statement."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
from jaxtyping import Int64

from slic.search.repository.checks import DamagedRowError

RowT = TypeVar("RowT")


def as_objects(kind: type[RowT], rows: Iterable[Sequence[Any]]) -> list[RowT]:
    """Return an object for each row. Its columns are the fields of the dataclass, in their order.

    Args:
        kind: The dataclass.
        rows: The rows of a query.

    Raises:
        DamagedRowError: A column is null whose field cannot be None.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    required = [i for i, name in enumerate(names) if NoneType not in get_args(hints[name])]
    objects = []
    for row in rows:
        require_values(*(row[i] for i in required))
        objects.append(kind(**dict(zip(names, row, strict=True))))
    return objects


def require_values(*values: object) -> None:
    """Raise a DamagedRowError if a value is null, which the schema of an index forbids."""
    if None in values:
        raise DamagedRowError("a column is null that must have a value")


def as_ids(rows: Iterable[Sequence[Any]]) -> Int64[np.ndarray, " n"]:
    """Return the first column of the rows."""
    return np.array([row[0] for row in rows], dtype=np.int64)


def placeholders(values: Collection[Any]) -> str:
    """Return a question mark for each value, with commas between them."""
    return ",".join("?" * len(values))
