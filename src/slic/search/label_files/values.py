"""Values of a file of labels, checked: what is wrong is a `ValueError` that names the place."""

import re
from typing import cast, get_args

from slic.search.repository.labels import LabelSource

_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no database holds
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_text(value: object, place: str) -> str:
    """Return a text.

    Args:
        value: What the file has.
        place: Where it stands, such as ``"line 7: label"``.

    Raises:
        ValueError: It is something else, or empty.
    """
    if not isinstance(value, str) or not value.strip() or _SURROGATE.search(value):
        raise ValueError(f"{place}: {value!r:.80} is not a text")
    return value


def read_number(value: object, place: str) -> float:
    """Return a number of a JSON file or of a cell; the latter without ``_``, ``nan`` and ``inf``.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{place}: {value!r:.80} is not a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{place}: {value!r:.80} is not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{place}: the number is too large") from error


def read_source(value: object, place: str) -> LabelSource:
    """Return ``"given"`` or ``"spread"``; None is ``"given"``.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return "given"
    if value not in get_args(LabelSource):
        raise ValueError(f"{place}: source {value!r:.80} is neither given nor spread")
    return cast("LabelSource", value)
