"""The checker of sentences, on pages whose words are counted by hand."""

from pathlib import Path

import pytest

from tests.prose import count, main, sentences

PAGE = """---
title: Not prose
---
# Find *falls*

One two three. Four `a command --with=words` six
seven! See [the page](a.md) of Smith et al. 2012, e.g. in 3.5 s.

```sh
many words of code that are no sentence at all
```

<!-- not shown -->
- An item
  on two lines
- Another: with `code` (and brackets).

| head one | two |
|---|---|
| a cell | another cell. Second one. |
"""


def test_sentences_and_their_lines_are_those_of_the_page() -> None:
    assert [(s.line, s.words) for s in sentences(PAGE)] == [
        (4, 2),  # heading
        (6, 3), (6, 4), (7, 12),  # paragraph
        (14, 5), (16, 5),  # items
        (18, 2), (20, 2), (20, 2), (20, 2),  # table
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ends. Begins", [1, 1]),
        ("It is 2.5 s. 3 of 4 are right.", [4, 5]),
        ("See a.md. `slic` runs.", [2, 2]),
        ('He said "go." Then left.', [3, 2]),
        ("It ends here. *mAP* is a word.", [3, 4]),
        ("No. 5 of Fig. 3 is one.", [7]),
        ("A dash — is no word.", [5]),
        ("A link ![with a picture](a.png) and [a name][ref] too.", [9]),
    ],
)
def test_where_a_sentence_ends(text: str, words: list[int]) -> None:
    assert [s.words for s in sentences(text)] == [n for n in words if n > 1]


def test_a_page_with_a_long_sentence_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Short one here.\n\n" + "word " * 25 + "\n\n" + "word " * 26)
    assert main([str(page)]) == 1
    assert f"{page}:5: 26 words" in capsys.readouterr().out
    assert [s.words for s in count("word " * 25).too_long()] == []
