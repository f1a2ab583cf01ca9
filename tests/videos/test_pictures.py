"""Pictures decode as OpenCV does it, and what the libraries print becomes a line of ours."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.videos import pictures
from slic.videos.pictures import decode_picture, quietly

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, NOISE)[1])


@pytest.fixture(autouse=True)
def nothing_was_warned_of() -> None:
    pictures._warn_of_damage.cache_clear()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_whole_picture_is_that_of_opencv(
    suffix: str, capfd: pytest.CaptureFixture[str], *, grey: bool
) -> None:
    data = encoded(suffix)
    mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    picture = decode_picture(data, Path("frames"), grey=grey)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    assert picture is not None
    assert expected is not None
    assert np.array_equal(picture, expected)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_damaged_picture_is_one_line_of_ours(
    suffix: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    whole, folder = encoded(suffix), Path("frames")
    with caplog.at_level(logging.WARNING, "slic"):
        for seed in range(30):
            damaged = bytearray(whole)
            for place in np.random.default_rng(seed).integers(60, len(whole), 6):
                damaged[place] ^= 0x5A
            decode_picture(bytes(damaged), folder)
            decode_picture(bytes(damaged[: len(damaged) // 2]), folder)
    assert capfd.readouterr() == ("", "")
    said = ["frames: is damaged: some pictures are decoded in part"]
    assert caplog.messages == (said if suffix == ".jpg" else [])  # a damaged PNG gives no picture


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(50)])
def test_what_is_no_picture_is_none(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert decode_picture(data, Path("x")) is None
    assert capfd.readouterr() == ("", "")


def test_what_others_print_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def speak() -> int:
        os.write(2, b"Corrupt JPEG data: bad Huffman code\nslic: something else\n")
        return 7

    assert quietly(speak) == (7, ["Corrupt JPEG data: bad Huffman code"])
    assert capfd.readouterr() == ("", "slic: something else\n")


def test_a_call_that_fails_leaves_the_stream_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"libpng error: of the call that fails\n")
        raise cv2.error

    with pytest.raises(cv2.error):
        quietly(fail)
    assert quietly(lambda: 1) == (1, [])
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("", "after\n")


def test_threads_take_turns_and_lose_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(".jpg")
    damaged = data[: len(data) // 2]

    def work(number: int) -> None:
        for count in range(50):
            decode_picture(damaged, Path("frames"))
            os.write(2, b"%d of %d\n" % (count, number))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"{count} of {n}" for n in range(4) for count in range(50))


def test_a_process_without_an_error_stream_decodes_too() -> None:
    program = (
        "import os, sys; from pathlib import Path; from slic.videos.pictures import decode_picture;"
        "os.close(2); print(decode_picture(bytes.fromhex(sys.argv[1]), Path('x')).shape)"
    )
    words = [sys.executable, "-c", program, encoded(".png").hex()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "(48, 64, 3)\n"
