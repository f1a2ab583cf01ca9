"""Small files that nest deeply or stand for gigabytes are refused before they do harm."""

import pytest

from slic.parsing import MAX_DEPTH, parse_json, parse_xml, parse_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_json_as_deep_as_allowed() -> None:
    deep = MAX_DEPTH * "[" + MAX_DEPTH * "]"
    assert parse_json(b"\xef\xbb\xbf" + deep.encode()) == parse_json(deep)
    assert parse_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    for text in (f"[{deep}]", 10**5 * "[", 10**5 * '{"a":'):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)


def test_json_in_another_encoding() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse_json('{"a": 1}'.encode("utf-16"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "stands for over"),
        (MERGES, "stands for over"),
        ("&a [*a]", "contains itself"),
        ("&a {b: [*a]}", "contains itself"),
        (100 * "[" + 100 * "]", "nested too deeply"),
        (10_000 * "[", "nested too deeply"),
        ("x" * 100_000, "100000 characters"),
        ("!!timestamp x", "groupdict"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("9" * 5000, "4300 digits"),
        ("--- a\n--- b", "single document"),
    ],
)
def test_yaml_beyond_the_bounds(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_yaml(text)


def test_yaml_with_aliases_and_merges() -> None:
    text = "a: &a {x: 1, y: [2]}\nb: {<<: *a, x: 3}\nc: *a\n"
    plain = {"x": 1, "y": [2]}
    assert parse_yaml(text) == {"a": plain, "b": plain | {"x": 3}, "c": plain}
    assert parse_yaml("") is None


def test_xml_without_entities() -> None:
    root = parse_xml(b"<?xml version='1.0'?><a><b c='1'>text &amp; more</b></a>")
    assert [(node.tag, node.attrib, node.text) for node in root] == [
        ("b", {"c": "1"}, "text & more")
    ]


DOCTYPE = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DOCTYPE.encode(), "document type"),
        (DOCTYPE.encode("utf-16"), "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (10_000 * b"<a>" + 10_000 * b"</a>", "nested too deeply"),
        (b"<a>", "no element found"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "unknown encoding"),
    ],
)
def test_xml_beyond_the_bounds(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_xml(data)
