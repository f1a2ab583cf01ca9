"""Headers of pictures, written by hand after the specifications."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slic.videos.bitstream import BitReader, nal_units


@given(bits=st.text("01", min_size=1, max_size=200))
def test_bits_are_read_from_the_highest(bits: str) -> None:
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    reader = BitReader(data)
    assert "".join(str(reader.read(1)) for _ in bits) == bits


@pytest.mark.parametrize(
    ("code", "value"), [("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("00111", 6)]
)
def test_exp_golomb_codes(code: str, value: int) -> None:  # table 9-2 of H.264
    assert BitReader(int(code.ljust(8, "0"), 2).to_bytes(1, "big")).exp_golomb() == value


def test_past_the_end_there_are_zeros() -> None:
    reader = BitReader(b"\xff")
    assert (reader.read(8), reader.read(100), reader.exp_golomb()) == (255, 0, (1 << 32) - 1)


@pytest.mark.parametrize("length_bytes", [0, 2, 4])
def test_nal_units_are_separated(length_bytes: int) -> None:
    rng = np.random.default_rng(0)
    units = [rng.integers(1, 256, size, dtype=np.uint8).tobytes() for size in (3, 90, 5)]
    data = b"".join(
        (len(unit).to_bytes(length_bytes, "big") if length_bytes else b"\0\0\1") + unit
        for unit in units
    )
    found = nal_units(data, length_bytes)
    assert [unit[:3] for unit in found] == [unit[:3] for unit in units]
