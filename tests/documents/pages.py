"""The pages of the documents, and the blocks of code on them."""

import re
from pathlib import Path
from typing import NamedTuple

from sybil import Document
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = FencedCodeBlockLexer(language=r"[^\n]*")
_SKIP = DirectiveInHTMLCommentLexer("skip")


class Block(NamedTuple):
    """A fenced block: its page, the line of its fence, what it holds, why it is not run."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def place(self) -> str:
        """Page and line, as editors show them."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page.

    ``<!-- skip: next "why" -->`` before a block says that it is not run.

    Raises:
        AssertionError: A skip is written otherwise, or no block follows it.
    """
    document = Document(page.read_text("utf-8"), str(page))
    fences = sorted(_FENCE(document), key=lambda region: region.start)
    reasons: dict[int, str] = {}
    for skip in _SKIP(document):
        if any(fence.start < skip.start < fence.end for fence in fences):
            continue  # a block that shows how to write a skip
        where = f"{name_of(page)}, {document.line_column(skip.start)}"
        words = re.fullmatch(r'next "(.+)"', (skip.lexemes["arguments"] or "").strip())
        assert words, f'{where}: write <!-- skip: next "why" -->'
        following = [fence.start for fence in fences if fence.start > skip.start]
        assert following, f"{where}: no block follows"
        reasons[following[0]] = words[1]
    return [
        Block(
            page,
            document.text.count("\n", 0, fence.start) + 1,
            fence.lexemes["language"].strip(),
            fence.lexemes["source"],
            reasons.get(fence.start),
        )
        for fence in fences
    ]
