"""Decode pictures, and count what the libraries for JPEG and PNG complain about.

They print to the error stream of the process, past Python, and have no setting against it. So that
stream leads into a file for the moment of decoding.
"""

import io
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.videos.container import MAX_PIXELS
from slic.videos.picture_size import picture_size

ReturnT = TypeVar("ReturnT")

_STDERR: Final = 2
_COMPLAINTS: Final = (
    "Corrupt JPEG", "Premature end", "Invalid ", "Inconsistent ", "Unsupported ", "Unknown ",
    "Not a JPEG", "libpng", "libjpeg", "TIFF", "[ WARN", "[ERROR", "[ INFO", "imdecode_", "Warning",
)  # fmt: skip
_lock = threading.Lock()
_log = logging.getLogger("slic")

if hasattr(os, "register_at_fork"):  # a process must not begin with its error stream in the file
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def decode_picture(
    data: bytes, path: Path, *, grey: bool = False
) -> UInt8[np.ndarray, "h w *c"] | None:
    """Return a picture as BGR, or grey.

    None if it cannot be decoded, is no JPEG, PNG, BMP or WebP, or has over `MAX_PIXELS` pixels.

    A picture that is decoded in part is reported once in the log.

    Args:
        data: Content of a picture file.
        path: What it belongs to, for the log.
        grey: Whether to return brightness only.
    """
    width, height = picture_size(data) or (0, 0)
    if not 0 < width * height <= MAX_PIXELS:
        return None
    mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    try:
        image, complaints = quietly(lambda: cv2.imdecode(np.frombuffer(data, np.uint8), mode))
    except cv2.error:  # larger than OpenCV reads, or than the memory
        return None
    if image is None:
        return None
    if complaints:
        _warn_of_damage(path)
    return np.asarray(image, np.uint8)


@lru_cache(maxsize=1024)
def _warn_of_damage(path: Path) -> None:
    _log.warning("%s: is damaged: some pictures are decoded in part", path)


def quietly(call: Callable[[], ReturnT]) -> tuple[ReturnT, list[str]]:
    """Return what a call returns, and the complaints that libraries printed meanwhile.

    What other threads print meanwhile is printed afterwards.
    """
    with _lock:
        try:
            printed_to = os.dup(_STDERR)
        except OSError:  # this process has no error stream
            return call(), []
        file = _file()
        try:
            os.dup2(file.fileno(), _STDERR)
            try:
                result = call()
            finally:
                os.dup2(printed_to, _STDERR)
                lines = _take(file)
        finally:
            os.close(printed_to)
    complaints = [line for line in lines if line.startswith(_COMPLAINTS)]
    if others := "".join(line for line in lines if line not in complaints):
        os.write(_STDERR, others.encode(errors="replace"))
    return result, [line.strip()[:200] for line in complaints]


@lru_cache(maxsize=1)
def _open_file(_process: int) -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("slic-stderr"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _file() -> io.FileIO:
    file: io.FileIO = _open_file(os.getpid())  # processes that fork share no file
    return file


def _take(file: io.FileIO) -> list[str]:
    """Return the lines in a file, and empty it."""
    if not file.seek(0, os.SEEK_END):
        return []
    file.seek(0)
    text = file.read().decode(errors="replace")
    file.seek(0)
    file.truncate()
    return text.splitlines(keepends=True)
