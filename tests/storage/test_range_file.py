"""Reading by ranges equals reading the bytes; expected ranges are fetched exactly."""

import io

import numpy as np
import pytest

from slic.storage.range_file import STEP_BYTES, RangeFile

DATA = np.random.default_rng(0).bytes(1_000_003)


class Source:
    """Counts what is fetched."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        return DATA[start:end]


@pytest.mark.parametrize("seed", range(8))
def test_any_reads_give_the_bytes(seed: int) -> None:
    rng, source = np.random.default_rng(seed), Source()
    cuts = np.sort(rng.integers(0, len(DATA), 8)).tolist()
    file = RangeFile(
        len(DATA), source.fetch, expected=list(zip(cuts[::2], cuts[1::2], strict=True))
    )
    truth = io.BytesIO(DATA)
    for _ in range(60):
        place, length = int(rng.integers(0, len(DATA) + 100)), int(rng.integers(0, 100_000))
        file.seek(place)
        truth.seek(place)
        got = file.read(length)
        assert got == truth.read(len(got))
        assert got or place >= len(DATA) or length == 0
    whole = io.BufferedReader(RangeFile(len(DATA), source.fetch))
    assert whole.read() == DATA
    assert all(0 <= start < end <= len(DATA) for start, end in source.ranges)


def test_expected_ranges_are_fetched_whole_and_alone() -> None:
    source = Source()
    file = io.BufferedReader(
        RangeFile(len(DATA), source.fetch, expected=[(100_000, 300_000), (500_000, 510_000)]), 4096
    )
    for place in (100_000, 299_000, 505_000, 150_000):
        file.seek(place)
        file.read(1000)
    assert source.ranges == [(100_000, 300_000), (505_000, 510_000)]


def test_a_read_just_before_an_expected_range_joins_it() -> None:
    source = Source()
    file = RangeFile(len(DATA), source.fetch, expected=[(100_000, 300_000)])
    file.seek(100_000 - 5)
    file.read(10)
    assert source.ranges == [(100_000 - 5, 300_000)]


def test_reading_on_takes_more_at_a_time() -> None:
    source = Source()
    while_reading = RangeFile(len(DATA), source.fetch)
    while while_reading.read(10_000):
        pass
    lengths = [end - start for start, end in source.ranges]
    assert lengths[:4] == [STEP_BYTES, 2 * STEP_BYTES, 4 * STEP_BYTES, 8 * STEP_BYTES]
    assert len(lengths) < 8


def test_a_short_answer_is_an_error() -> None:
    with pytest.raises(OSError, match="9 instead of"):
        RangeFile(100, lambda _start, _end: b"x" * 9).read(10)
