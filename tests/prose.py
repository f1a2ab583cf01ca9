"""Count the words of Markdown pages, and find sentences that are too long.

    python -m tests.prose README.md docs/index.md

A sentence is prose: code blocks do not count, a name or command in backticks is one word. A
heading, a list item and a table cell end a sentence.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT = 25

_FENCE = re.compile(r"^( *(?:> ?)*)(```+|~~~+).*?\n.*?^\1\2 *$", re.DOTALL | re.MULTILINE)
_INVISIBLE = re.compile(r"<!--.*?-->|\A---\n.*?\n---\n|<[^<>`]+>", re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$\n]+\$", re.DOTALL)
_LINK = re.compile(r"!?\[([^][]*)\](?:\([^()]*(?:\([^()]*\))?[^()]*\)|\[[^][]*\])|\{[:#.][^}]*\}")
_NEW_BLOCK = re.compile(r"^\s*(?:[-*+] |\d+[.)] |#+ |> |!!! |\?\?\? |=== |\[\^|: )")
_RULE = re.compile(r"^[\s|:=-]*$")
_ABBREVIATIONS = {"al", "approx", "cf", "e.g", "Eq", "Eqs", "Fig", "Figs", "i.e", "Sec", "vs", "S",
                  "H", "F", "Y", "max", "min", "No", "Tab", "Dr", "St"}  # fmt: skip
_NAME = "Name"  # what a piece of code counts as


class Sentence(NamedTuple):
    """A sentence, the line on which it begins (from 1), and its number of words."""

    text: str
    line: int
    words: int


class Counts(NamedTuple):
    """All words of a page, code included, and its sentences of more than one word."""

    all_words: int
    sentences: list[Sentence]

    @property
    def mean(self) -> float:
        """Words a sentence; headings, names and cells without a full stop do not count."""
        words = [s.words for s in self.sentences if s.text.endswith((".", ":", "!", "?", ")"))]
        return sum(words) / max(1, len(words))

    def too_long(self, limit: int = LIMIT) -> list[Sentence]:
        """Return the sentences of more than ``limit`` words."""
        return [s for s in self.sentences if s.words > limit]


def sentences(markdown: str) -> list[Sentence]:
    """Return the sentences of the prose of a page, those of one word left out."""
    found = [s for block in _blocks(_prose(markdown)) for s in _split(block)]
    return [s for s in found if s.words > 1]


def count(markdown: str) -> Counts:
    """Return the number of words of a page, code included, and its sentences."""
    return Counts(len(markdown.split()), sentences(markdown))


def _prose(markdown: str) -> str:
    """Return the text of a page without code and markup, on the same lines."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    def name(match: re.Match[str]) -> str:
        return _NAME + "\n" * match[0].count("\n")

    text = _INVISIBLE.sub(blank, _FENCE.sub(lambda m: "\n" + blank(m)[1:], markdown))
    text = _CODE.sub(name, text)
    text = _LINK.sub(lambda m: m[1] or "", _LINK.sub(lambda m: m[1] or "", text))
    return re.sub(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}", "", text)


def _blocks(text: str) -> Iterator[list[tuple[str, int]]]:
    """Yield the words of each paragraph, item, heading and cell, with their lines."""
    block: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if _RULE.match(line) or _NEW_BLOCK.match(line) or line.lstrip().startswith("|"):
            yield block
            block = []
        if line.lstrip().startswith("|"):
            yield from ([(word, number) for word in cell.split()] for cell in line.split("|"))
        else:
            block += [(word, number) for word in line.split()]
        if line.lstrip().startswith("#"):
            yield block
            block = []
    yield block


def _split(block: list[tuple[str, int]]) -> Iterator[Sentence]:
    """Yield the sentences of a block."""
    begin = 0
    for place, (word, _) in enumerate(block):
        following = block[place + 1][0] if place + 1 < len(block) else ""
        if not following or _ends(word, following):
            part = block[begin : place + 1]
            words = sum(any(c.isalnum() for c in word) for word, _ in part)
            yield Sentence(" ".join(word for word, _ in part), part[0][1], words)
            begin = place + 1


def _ends(word: str, following: str) -> bool:
    """Return whether a sentence ends between two words."""
    bare = word.rstrip("\"')]”»*_")
    if not bare.endswith((".", "!", "?")) or bare.lstrip("([\"'“")[:-1] in _ABBREVIATIONS:
        return False
    return not following.islower()  # mAP begins a sentence, too


def main(names: list[str]) -> int:
    """Print the counts of the pages and their too long sentences; return 1 if there are any."""
    pages = {name: count(Path(name).read_text("utf-8")) for name in names}
    for name, counts in pages.items():
        for sentence in counts.too_long():
            print(f"{name}:{sentence.line}: {sentence.words} words: {sentence.text[:90]}")
    for name, counts in pages.items():
        print(f"{_line(counts)}  {name}")
    everything = [s for counts in pages.values() for s in counts.sentences]
    total = Counts(sum(counts.all_words for counts in pages.values()), everything)
    print(f"{_line(total)}  all {len(pages)} pages")
    return int(bool(total.too_long()))


def _line(counts: Counts) -> str:
    return (
        f"{counts.all_words:7,} words {len(counts.sentences):5} sentences "
        f"{counts.mean:5.1f} words each {len(counts.too_long()):4} too long"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
