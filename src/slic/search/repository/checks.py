"""What the columns of an index may hold. SQLite does not ask, and the file may be a stranger's."""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

ValueT = TypeVar("ValueT")

MAX_NUMBER: Final = 1 << 53  # the largest integer that JavaScript has too
MAX_LEVEL: Final = 1000
MAX_SECONDS_OF_VIDEO: Final = 1e9
MAX_CLUSTER: Final = 1 << 40


class DamagedRowError(sqlite3.DatabaseError):
    """A row of an index holds what no index holds; `translate_errors` makes one line of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        self.sqlite_errorname = "SQLITE_CORRUPT"


def _is_integer(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (float, int) and least <= value <= most


def _is_text(value: object) -> bool:
    return type(value) is str


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_IDENTITY: Final = _is_integer(0, MAX_NUMBER)
_SECONDS: Final = _is_number(0.0, MAX_SECONDS_OF_VIDEO)
_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "key": _is_text,
    "value": _is_text,
    "id": _IDENTITY,
    "video_id": _IDENTITY,
    "number": _is_integer(0, 1 << 31),
    "generation": _IDENTITY,
    "change_id": _or_null(_IDENTITY),
    "moment_id": _or_null(_IDENTITY),
    "leaf": _or_null(_is_integer(0, MAX_CLUSTER)),
    "cluster": _or_null(_is_integer(0, MAX_CLUSTER)),
    "level": _or_null(_is_integer(0, MAX_LEVEL)),
    "start_seconds": _SECONDS,
    "end_seconds": _SECONDS,
    "duration_seconds": _SECONDS,
    "confidence": _or_null(_is_number(0.0, 1.0)),
    "label": _or_null(_is_text),
    "source": _or_null(lambda value: value in ("given", "spread")),
    "root": _is_text,
    "path": _or_null(_is_text),
    "content_id": _is_text,
    "size": _IDENTITY,
    "mtime_ns": _is_integer(-(1 << 63), (1 << 63) - 1),
    "vector": lambda value: type(value) is bytes,
}
"""What a column may hold, by its name. Columns of videos are checked by `Video.from_row`."""


class CheckedConnection(sqlite3.Connection):
    """A connection whose rows are checked: a row with a wrong value raises DamagedRowError."""

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement; the columns of its rows are checked by their names."""
        try:
            cursor = super().execute(statement, parameters)
        except UnicodeDecodeError as error:  # of the schema, which a message quotes
            raise DamagedRowError("it has text that is not UTF-8") from error
        if cursor.description:
            names = [column[0] for column in cursor.description]
            checked = [(i, name, _CHECKS[name]) for i, name in enumerate(names) if name in _CHECKS]
            if checked:
                cursor.row_factory = _row_check(checked)
        return cursor


def _row_check(
    checked: Sequence[tuple[int, str, Callable[[Any], bool]]],
) -> Callable[[sqlite3.Cursor, tuple[Any, ...]], tuple[Any, ...]]:
    def check(_: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        for place, name, is_valid in checked:
            if not is_valid(row[place]):
                raise DamagedRowError(f"the column {name!r} has {str(row[place])[:40]!r}")
        return row

    return check


@contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Raise DamagedRowError where a value cannot be read.

    Args:
        what: What is read, for the message.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRowError(f"{what} is damaged") from error


def read_integer(about: Mapping[str, str], key: str, *, most: int) -> int:
    """Return a number of the table ``about``.

    Raises:
        DamagedRowError: It is missing, no number, or not in 0..``most``.
    """
    with damage_named(f"the value {key!r}"):
        value = int(about[key])
        if not 0 <= value <= most:
            raise ValueError(value)
        return value


def read_weights(about: Mapping[str, str]) -> dict[str, float] | None:
    """Return the weights in the table ``about``; None for equal ones.

    Raises:
        DamagedRowError: They are missing, or no names with numbers of at least 0.
    """
    with damage_named("the value 'cluster_weights'"):
        weights: Any = json.loads(about["cluster_weights"])
        if weights is None:
            return None
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
            raise ValueError(weights)
        return {str(name): float(weight) for name, weight in weights.items()}
