"""The size of a picture by its first bytes, before a decoder takes memory for it."""

import struct
from collections.abc import Callable, Mapping
from typing import Final

Size = tuple[int, int]

_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers with a size
_JPEG_BARE: Final = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length


def picture_size(data: bytes) -> Size | None:
    """Return (width, height) of a JPEG, PNG, BMP or WebP; None if it is none of these.

    Example:
        >>> picture_size(Path("frame.png").read_bytes())
        (320, 240)
    """
    for start, size_of in _SIZES.items():
        if data.startswith(start):
            try:
                return size_of(data)
            except (struct.error, IndexError, ValueError):  # cut off
                return None
    return None


def _size_of_jpeg(data: bytes) -> Size | None:
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1]
        at += 1 if marker == 0xFF else 2  # markers may be filled up with 0xff
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        if marker not in _JPEG_BARE and marker not in (0x00, 0xFF):
            at += struct.unpack_from(">H", data, at)[0]
    return None


def _size_of_png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _size_of_bmp(data: bytes) -> Size:
    is_old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if is_old else "<ii", data, 18)
    return abs(width), abs(height)


def _size_of_webp(data: bytes) -> Size | None:
    if data[8:15] != b"WEBPVP8":
        return None
    if data[15:16] == b"X":
        low, middle, high, *rest = data[24:30]
        return 1 + (low | middle << 8 | high << 16), 1 + (rest[0] | rest[1] << 8 | rest[2] << 16)
    if data[15:16] == b"L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


_SIZES: Final[Mapping[bytes, Callable[[bytes], Size | None]]] = {
    b"\xff\xd8\xff": _size_of_jpeg,
    b"\x89PNG\r\n\x1a\n": _size_of_png,
    b"BM": _size_of_bmp,
    b"RIFF": _size_of_webp,
}
