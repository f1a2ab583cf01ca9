"""Parse what anybody may have written: JSON, YAML and XML, within bounds.

A small file can nest so deeply that Python's stack ends, or stand for gigabytes. What is beyond a
bound is a `ValueError` before it takes time or memory.
"""

import json
from collections.abc import Collection
from typing import Any, Final
from xml.etree import ElementTree as ET

import yaml


class OutOfBoundsError(ValueError):
    """A value is nested too deeply or stands for too much."""


MAX_DEPTH: Final = 64
"""How deeply values may be nested."""
MAX_YAML_CHARACTERS: Final = 1 << 16  # a recipe has 3,000
MAX_YAML_VALUES: Final = 100_000  # also those that an alias stands for
_NESTS: Final = (dict, list)
_TOO_DEEP: Final = f"it is nested too deeply, over {MAX_DEPTH} levels"


def parse_json(text: str | bytes) -> Any:
    """Return a JSON value.

    Raises:
        ValueError: It is not JSON, not in UTF-8, or nested more than `MAX_DEPTH` levels deep.
    """
    try:
        value = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise OutOfBoundsError(_TOO_DEEP) from error
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _parts(outer) if isinstance(inner, _NESTS)]
        if not level:
            return value
    raise OutOfBoundsError(_TOO_DEEP)


def _parts(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def parse_yaml(text: str) -> Any:
    """Return a YAML value of plain types. Each alias counts with all that it stands for.

    Raises:
        ValueError: It is not YAML, too long, nested more than `MAX_DEPTH` levels deep, or stands
            for over `MAX_YAML_VALUES` values.
    """
    if len(text) > MAX_YAML_CHARACTERS:
        raise OutOfBoundsError(f"it has {len(text)} characters")
    try:
        loader = _BoundedLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError as error:
        raise OutOfBoundsError(_TOO_DEEP) from error
    except (yaml.YAMLError, OverflowError, AttributeError) as error:
        # PyYAML lets an AttributeError out where a text has a type as its tag
        raise ValueError(str(error)) from error


class _BoundedLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Stops at a value that is nested too deeply, before its parser has read all that follows."""

    _depth = 0

    def compose_node(self, *place: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise OutOfBoundsError(_TOO_DEEP)
        node = super().compose_node(*place)
        self._depth -= 1
        return node


def _check_size(root: Any) -> None:
    """Raise a ValueError if a node stands for too much. An alias is the node that it names."""
    sizes: dict[int, tuple[int, int]] = {}  # values and levels of a node; 0 while it is counted

    def measure(node: Any) -> tuple[int, int]:
        if id(node) in sizes:
            if not sizes[id(node)][0]:
                raise OutOfBoundsError("a value contains itself")
            return sizes[id(node)]
        sizes[id(node)] = (0, 0)
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = [measure(n) for part in parts for n in (part if type(part) is tuple else (part,))]
        count = 1 + sum(size for size, _ in inner)
        depth = 1 + max((levels for _, levels in inner), default=0)
        if count > MAX_YAML_VALUES:
            raise OutOfBoundsError(f"it stands for over {MAX_YAML_VALUES} values")
        if depth > MAX_DEPTH:
            raise OutOfBoundsError(_TOO_DEEP)
        sizes[id(node)] = (count, depth)
        return count, depth

    measure(root)


class _BoundedTree(ET.TreeBuilder):
    """Builds a tree, but takes no document type, whose entities may grow without bound."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: object) -> None:
        raise ValueError("it has a document type declaration")

    def start(self, tag: Any, attributes: Any, /) -> ET.Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise OutOfBoundsError(_TOO_DEEP)
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(data: bytes) -> ET.Element:
    """Return the root of an XML document.

    Raises:
        ValueError: It is not XML, nested too deeply, or declares a document type or entities.
    """
    try:
        return ET.fromstring(data, ET.XMLParser(target=_BoundedTree()))
    except (ET.ParseError, LookupError) as error:  # the latter: an unknown encoding
        raise ValueError(str(error)) from error
