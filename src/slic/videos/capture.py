"""Opening a video file with OpenCV's FFmpeg reader, quietly and with one thread."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Set before the first video is opened: FFmpeg's complaints become our own one-line reasons.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

from slic.errors import UnreadableVideoError

if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


@contextmanager
def opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """Open a video file and close it at the end.

    The path is made absolute: FFmpeg takes ``a:b.mp4`` for a protocol. One thread decodes more
    clips in a CPU-second than several, and the parallelism is in the loader's workers.

    Raises:
        UnreadableVideoError: FFmpeg does not know the file for a video.
    """
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise UnreadableVideoError(f"{path}: cannot be opened as a video")
        yield capture
    finally:
        capture.release()
