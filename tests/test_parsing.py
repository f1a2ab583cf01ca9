"""Small files that nest deeply or stand for gigabytes are refused before they do harm."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from slic.parsing import MAX_DEPTH, parse_json, parse_xml, parse_yaml, read_arrays

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


def archive(**arrays: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


def test_arrays_of_an_archive() -> None:
    x, text = np.arange(6, dtype=np.float32).reshape(2, 3), np.array("ä")
    fortran, empty = np.asfortranarray(x), np.empty((0, 4))
    file = archive(x=x, text=text, fortran=fortran, empty=empty, left_out=x)
    read = read_arrays(file, "text", "x", "fortran", "empty")
    for found, wanted in zip(read, (text, x, fortran, empty), strict=True):
        np.testing.assert_array_equal(found, wanted)


def with_entry(name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        made.writestr(name, data)
    return file


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "file",
    [
        with_entry("x.npy", header("(1000000000,)") + bytes(400)),  # 4 GB
        with_entry("x.npy", header("(-1, -100)") + bytes(400)),
        with_entry("x.npy", header("(10,)", "|O") + bytes(80)),
        with_entry("x.npy", header("((((1,)") + bytes(80)),
        with_entry("x.npy", header("(" * 4000 + ")" * 4000)),
        with_entry("x.npy", header("(268435456,)") + bytes(1 << 30), zipfile.ZIP_DEFLATED),
        with_entry("y.npy", header("(100,)") + bytes(400)),
        io.BytesIO(b"PK\x03\x04" + bytes(100)),
        io.BytesIO(),
    ],
    ids=["large", "negative", "objects", "syntax", "deep", "bomb", "missing", "damaged", "empty"],
)
def test_an_archive_takes_no_more_memory_than_its_file(file: io.BytesIO) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r".+"):
            read_arrays(file, "x")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_entry_that_claims_to_be_larger_than_the_file() -> None:
    data = bytearray(with_entry("x.npy", header("(1000000000,)") + bytes(400)).getvalue())
    entry = data.rindex(b"PK\x01\x02")
    for place in (20, 24):  # compressed size and size, in the directory of the archive
        data[entry + place : entry + place + 4] = (4_000_000_128).to_bytes(4, "little")
    with pytest.raises(ValueError, match="larger than the file"):
        read_arrays(io.BytesIO(bytes(data)), "x")
