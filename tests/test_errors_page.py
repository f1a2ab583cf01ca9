"""The page of errors: what it quotes occurs in the source, and every kind of error is on it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
QUOTES = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
TREES = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "src" / "slic").rglob("*.py")]
FROM_ARGPARSE = {"unrecognized arguments"}


def template(node: ast.AST) -> str | None:
    """Return the text of a string, with an ellipsis for each value; None for other nodes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[sd]", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or "…" for part in node.values)
    return None


def strings() -> Iterator[str]:
    for node in (node for tree in TREES for node in ast.walk(tree)):
        if text := template(node):
            yield " ".join(text.split())


def subclasses(name: str) -> set[str]:
    """Return the names of a class and of all that derive from it, anywhere in the package."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in TREES
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {name}
    while more := {one for one, above in bases.items() if above & found} - found:
        found |= more
    return found


@pytest.fixture(scope="module")
def messages() -> list[str]:
    return list(strings())


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_line_occurs_in_the_source(quote: str, messages: list[str]) -> None:
    pieces = [re.escape(piece.strip()) for piece in quote.split("…") if piece.strip(" :;().,")]
    wanted = re.compile(".*".join(pieces))
    assert pieces, quote
    assert quote in FROM_ARGPARSE or any(wanted.search(text) for text in messages), quote


def test_every_kind_of_error_is_on_the_page() -> None:
    missing = {name for name in subclasses("SlicError") if f"`{name}`" not in PAGE}
    assert missing == set()


def test_no_line_is_quoted_twice() -> None:
    assert len(QUOTES) == len(set(QUOTES)) > 70
