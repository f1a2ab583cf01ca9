"""Opening a video file with OpenCV's FFmpeg reader, quietly and with one thread."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

# Set before the first video is opened: FFmpeg's complaints become our own one-line reasons.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError

if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)

PYAV_ALONE = frozenset({"AV01"})  # codecs that OpenCV's FFmpeg knows by name but does not decode
PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD", b"[playlist]")  # how they begin


@contextmanager
def opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """Open a video file and close it at the end.

    The path is made absolute: FFmpeg takes ``a:b.mp4`` for a protocol. One thread decodes more
    clips in a CPU-second than several, and the parallelism is in the loader's workers.

    Raises:
        VideoError: FFmpeg does not know the file for a video, its name is not UTF-8
            (OpenCV crashes on it), or it is a playlist, which would show other files' frames.
    """
    refuse_strange(path)
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise VideoError(f"{path}: cannot be opened as a video")
        yield capture
    finally:
        capture.release()


class Shown(NamedTuple):
    """One decoded frame.

    Attributes:
        stamp: Its time stamp, in frames of the rate that the file tells; -1: none.
        seconds: The same.
        key: Whether decoding can begin here.
        picture: Converts it to BGR, before the next is decoded; None when that fails.
    """

    stamp: float
    seconds: float
    key: bool
    picture: Callable[[], UInt8[np.ndarray, "h w 3"] | None]


def shown(capture: cv2.VideoCapture) -> Iterator[Shown]:
    """Give the frames of an opened video, in order."""

    def picture() -> UInt8[np.ndarray, "h w 3"] | None:
        decoded, frame = capture.retrieve()
        return np.asarray(frame, dtype=np.uint8) if decoded else None

    while capture.grab():
        stamp, ms = capture.get(cv2.CAP_PROP_PTS), capture.get(cv2.CAP_PROP_POS_MSEC)
        key = chr(int(capture.get(cv2.CAP_PROP_FRAME_TYPE))) == "I"
        yield Shown(stamp, ms / 1000, key, picture)


def codec(capture: cv2.VideoCapture) -> str:
    """Return the codec's four letters, or fewer."""
    letters = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    return letters.decode("ascii", "ignore").strip("\0 ")


def is_utf8(path: Path) -> bool:
    """Tell whether OpenCV can take the path."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_strange(path: Path) -> None:
    """Refuse what must not reach FFmpeg.

    Raises:
        VideoError: The name is not UTF-8, or it is a playlist.
    """
    if not is_utf8(path):
        raise VideoError(f"{path}: its name is not UTF-8; rename it")
    with suppress(OSError), path.open("rb") as file:  # a missing file is told of by the caller
        if file.read(16).lstrip().startswith(PLAYLISTS):
            raise VideoError(f"{path}: a playlist, not a video; give the videos it names")
