"""An object as a file object, which asks for few and fitting byte ranges."""

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final

STEP_BYTES: Final = 1 << 15  # of a first read; FFmpeg's own buffer
MOST_BYTES: Final = 4 << 20  # of a request
HELD_BYTES: Final = 16 << 20
FetchRange = Callable[[int, int], bytes]


class RangeFile(io.RawIOBase):
    """Reads an object by byte ranges.

    A read inside an expected range fetches the rest of that range, `MOST_BYTES` at a time. Any
    other read fetches `STEP_BYTES`, and twice as many where reading goes on. A read ends where the
    bytes at hand end, so nothing behind an expected range is fetched before it is asked for.

    Args:
        size: Bytes of the object.
        fetch: Returns the bytes of a range; it raises ``OSError``.
        expected: Ascending byte ranges that will be read.
        held: What other readers of this version hold, to share it.
        name: What the file is called.
    """

    mode = "rb"

    def __init__(
        self,
        size: int,
        fetch: FetchRange,
        *,
        expected: Sequence[tuple[int, int]] = (),
        held: list[tuple[int, bytes]] | None = None,
        name: str = "an object",
    ) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self._fetch = fetch
        self._expected = list(expected)
        self._held = [] if held is None else held  # newest at the end
        self._place = 0
        self._step = STEP_BYTES
        self._ended = -1  # where the last read that was not expected ended

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the place of the next read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def expect(self, start: int, end: int) -> None:
        """Add a byte range that will be read."""
        self._expected = sorted([*self._expected, (start, end)])

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; fewer than it holds where those at hand end."""
        wanted = min(len(buffer), self.size - self._place)
        if wanted <= 0:
            return 0
        start, data = self._chunk(self._place, wanted)
        at = self._place - start
        count = min(wanted, len(data) - at)
        buffer[:count] = data[at : at + count]
        self._place += count
        return count

    def _chunk(self, at: int, wanted: int) -> tuple[int, bytes]:
        """Return the beginning and the bytes of a piece around a place."""
        for start, data in reversed(self._held):
            if start <= at < start + len(data):
                return start, data
        end = self._end(at, wanted)
        data = self._fetch(at, end)
        if len(data) != end - at:
            raise OSError(f"{len(data)} instead of {end - at} bytes were read")
        self._held.append((at, data))
        while len(self._held) > 1 and sum(len(data) for _, data in self._held) > HELD_BYTES:
            self._held.pop(0)
        return at, data

    def _end(self, at: int, wanted: int) -> int:
        """Return where to end a request that begins at a place: before what is held."""
        end = self._wanted_end(at, wanted)
        return min((start for start, _ in self._held if at < start < end), default=end)

    def _wanted_end(self, at: int, wanted: int) -> int:
        place = bisect_right(self._expected, (at, self.size)) - 1
        if place >= 0 and at < self._expected[place][1]:
            return min(self._expected[place][1], at + MOST_BYTES)
        self._step = min(2 * self._step, MOST_BYTES) if at == self._ended else STEP_BYTES
        end = min(self.size, at + max(wanted, self._step))
        following = self._expected[place + 1 :]
        if following and following[0][0] <= end:
            end = min(following[0][1], at + MOST_BYTES)
        self._ended = end
        return end
