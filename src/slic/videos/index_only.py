"""Scanning an MP4 or MOV object from its index, without fetching its pictures.

The sample tables of these containers tell time, place, size and key frames of every packet. So
FFmpeg is given zeros for the pictures behind the first one. A few key frames are still looked at:
where one cannot be decoded on its own, the tables are not trusted and the whole object is read.
"""

import io
from collections.abc import Sequence
from typing import Any, Final

from av.video.stream import VideoStream

from slic.storage import RangeFile, RemotePath
from slic.videos.bitstream import MAX_PICTURE_HEADER_BYTES, H26xRules, PacketRules
from slic.videos.container import VideoPacket, open_object

MOST_BOXES: Final = 64
CHECKED_KEYS: Final = 3
MIN_HIDDEN_BYTES: Final = 1 << 17  # a smaller object is fetched at once
_LARGE: Final = b"\0\0\0\1"


class UntrustedIndexError(Exception):
    """A key frame of the sample tables cannot be decoded on its own."""


class IndexedObject(io.RawIOBase):
    """An object whose pictures are zeros after `hide`; everything else is read as it is.

    Args:
        file: The object.
        pictures: The byte range with the pictures and the sound.
    """

    def __init__(self, file: RangeFile, pictures: tuple[int, int]) -> None:
        super().__init__()
        self._file = file
        self._pictures = pictures
        self._hidden: list[tuple[int, int]] = []
        self._keys: frozenset[int] = frozenset()

    def hide(self, stream: VideoStream, packet_end: int) -> None:
        """Give zeros for the pictures from now on, but for the beginnings of some key frames.

        Args:
            stream: The stream that is read.
            packet_end: Where the last packet that was read ends.
        """
        self._keys = frozenset(one.pos for one in stream.index_entries if one.is_keyframe)
        keys = sorted(pos for pos in self._keys if pos > packet_end)
        chosen = sorted({keys[len(keys) * n // CHECKED_KEYS] for n in range(CHECKED_KEYS) if keys})
        at, hidden = max(packet_end, self._pictures[0]), []
        for pos in chosen:
            hidden.append((at, pos))
            at = pos + MAX_PICTURE_HEADER_BYTES
            self._file.expect(pos, min(at, self._file.size))
        self._hidden = [(a, b) for a, b in [*hidden, (at, self._pictures[1])] if a < b]

    def read_all(self) -> None:
        """Fetch the whole object in few requests, because nothing will be hidden."""
        self._file.expect(0, self._file.size)

    def shows(self, packet: VideoPacket) -> bool:
        """Return whether the beginning of a packet was read as it is."""
        start = packet.pos if packet.pos is not None else -1
        end = start + min(packet.size, MAX_PICTURE_HEADER_BYTES)
        return start >= 0 and all(end <= a or start >= b for a, b in self._hidden)

    def is_key(self, packet: VideoPacket) -> bool:
        """Return whether the index has a packet as a key frame; FFmpeg asks the pictures."""
        return packet.pos in self._keys

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the place of the next read."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        """Read bytes, or zeros for hidden ones, up to where one becomes the other."""
        at, count = self._file.tell(), len(buffer)
        for start, end in self._hidden:
            if start <= at < end:
                count = min(count, end - at)
                buffer[:count] = bytes(count)
                self._file.seek(at + count)
                return count
            if at < start:
                count = min(count, start - at)
                break
        return self._file.readinto(memoryview(buffer)[:count])


class IndexRules(PacketRules):
    """The rules of a codec where a packet can be seen, else what the index says."""

    def __init__(self, rules: PacketRules, source: IndexedObject) -> None:
        self._rules, self._source = rules, source

    def begins(self, packet: VideoPacket) -> bool:
        """Return whether decoding can begin at this packet.

        Raises:
            UntrustedIndexError: The index says so, and the packet says otherwise.
        """
        if not self._source.shows(packet):
            return self._source.is_key(packet)
        begins = self._rules.begins(packet)
        if self._source.is_key(packet) and not begins:
            raise UntrustedIndexError
        return begins


def can_hide(rules: PacketRules) -> bool:
    """Return whether the rules of a codec need no more than the beginnings of key frames."""
    return type(rules) in (PacketRules, H26xRules)


def open_indexed(path: RemotePath) -> IndexedObject | None:
    """Open an object whose index tells all about its packets; None if it may not.

    It must be a whole MP4 or MOV file with one index and one part of pictures.

    Raises:
        VideoError: It cannot be read.
    """
    file = open_object(path)
    boxes = _boxes(file)
    kinds = [kind for kind, _, _ in boxes]
    if kinds.count(b"moov") != 1 or kinds.count(b"mdat") != 1:
        return None
    for kind, start, end in boxes:
        if kind == b"moov":
            file.expect(start, end)
    pictures = next((start, end) for kind, start, end in boxes if kind == b"mdat")
    file.seek(0)
    large = pictures[1] - pictures[0] >= MIN_HIDDEN_BYTES
    return IndexedObject(file, pictures) if large else None


def _boxes(file: RangeFile) -> Sequence[tuple[bytes, int, int]]:
    """Return kind, start and end of the boxes; none if they do not fill it, or are fragments."""
    boxes, at = list[tuple[bytes, int, int]](), 0
    while at < file.size and len(boxes) < MOST_BOXES:
        file.seek(at)
        head = file.read(16) or b""
        length = int.from_bytes(head[8:16] if head[:4] == _LARGE else head[:4], "big")
        if len(head) < 8 or head[4:8] == b"moof" or (length < 8 and length != 0):
            return []
        end = at + length if length else file.size
        boxes.append((head[4:8], at, end))
        at = end
    return boxes if at == file.size else []
