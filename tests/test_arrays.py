"""An archive takes no more memory than its file, whatever its headers say."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from slic.arrays import read_arrays


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
