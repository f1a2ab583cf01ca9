"""Names of folders that Windows, macOS and Linux can hold, all of them different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.search.safe_names import MAX_BYTES, distinct_names, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("walk", "walk"),
        ("a walk", "a walk"),
        ("up/down", "up_down"),
        ("back\\slash", "back_slash"),
        ("..", "__"),
        (".hidden", "_hidden"),
        ("~home", "_home"),
        ("end. .", "end___"),
        ("CON", "CON_"),
        ("nul.mp4", "nul.mp4_"),
        ("com1", "com1_"),
        ("console", "console"),
        ("", "_"),
        ("走る", "走る"),
        ("e\u0301", "\u00e9"),  # macOS would take both for the same name
        ("a\u200bb\tc\nd", "a_b_c_d"),
        ("x" * 300, "x" * MAX_BYTES),
        ("走" * 300, "走" * (MAX_BYTES // 3)),
    ],
)
def test_names_by_hand(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.lists(st.text(), max_size=8))
def test_every_text_has_a_name_of_its_own(texts: list[str]) -> None:
    names = distinct_names(texts)
    assert names.keys() == set(texts)
    assert len({name.casefold() for name in names.values()}) == len(names)
    for name in names.values():
        assert 0 < len(name.encode()) <= MAX_BYTES + 1
        assert not set(name) & set('<>:"/\\|?*\0')
        assert name[-1] not in ". "
        assert name.isprintable()


def test_of_equal_names_the_unchanged_one_stays() -> None:
    names = distinct_names(["up/down", "up_down", "UP_DOWN", "walk"])
    assert names["up_down"] == "UP_DOWN".lower() or names["UP_DOWN"] == "UP_DOWN"
    assert names["walk"] == "walk"
    assert names["up/down"].startswith("up_down-")
    assert len(set(map(str.casefold, names.values()))) == 4
