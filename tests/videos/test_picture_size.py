"""The size that a header tells is that of the decoded picture."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.videos.picture_size import picture_size
from slic.videos.pictures import decode_picture


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".jpg", []),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]),
        (".png", []),
        (".bmp", []),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 50]),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),  # without loss
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_size_of_each_kind(suffix: str, options: list[int], channels: int) -> None:
    if channels == 4 and suffix == ".jpg":
        channels = 3
    shape = (37, 300, channels)
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    data = bytes(cv2.imencode(suffix, picture, options)[1])
    assert picture_size(data) == (300, 37)
    decoded = decode_picture(data, Path("a"))
    assert decoded is not None
    assert decoded.shape == (37, 300, 3)
    for length in range(40):
        picture_size(data[:length])


def png_of_zeros(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_small_file_of_a_huge_picture_is_not_decoded() -> None:
    data = png_of_zeros(16384, 8192)
    assert len(data) < 20_000
    assert decode_picture(data, Path("a")) is None
    assert decode_picture(png_of_zeros(80, 40), Path("a")) is not None


def test_what_is_no_picture_of_a_known_kind_has_no_size() -> None:
    for data in (b"", b"GIF89a" + bytes(40), b"RIFF" + bytes(40), b"\xff\xd8\xff", b"BM", b"II*\0"):
        assert picture_size(data) is None
        assert decode_picture(data, Path("a")) is None
