"""Small videos and pictures of moments for the page, cached in memory."""

import tempfile
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from cachetools import LRUCache

from slic.errors import VideoError
from slic.videos.encoding import Encoding, write_video
from slic.videos.frames import read_frames
from slic.videos.video import Video

PREVIEW_WIDTH, PREVIEW_HEIGHT = 384, 288  # bounding box, pixels
MAX_PREVIEW_FRAMES = 240
MAX_PREVIEW_FPS = 30.0
MAX_PREVIEW_CACHE_BYTES = 192 << 20
PREVIEW_ENCODING = Encoding(
    suffix=".mp4",
    container="mp4",
    codec="libx264",
    options={"preset": "veryfast", "crf": "27", "tune": "fastdecode"},
    keyframe_every=30,
)


class PreviewCache:
    """A thread-safe cache of encoded previews that drops the least recently used ones.

    Args:
        max_bytes: Total size of what is kept. A larger preview is returned, but not kept.
    """

    def __init__(self, max_bytes: int = MAX_PREVIEW_CACHE_BYTES) -> None:
        self._cache: LRUCache[Hashable, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the preview cached under ``key``; call ``make`` and cache its result if absent."""
        with self._lock:
            if (cached := self._cache.get(key)) is not None:
                return cached
        data = make()  # without the lock: encoding takes long, and two different previews may run
        with self._lock, suppress(ValueError):  # larger than the cache
            self._cache[key] = data
        return data


def encode_preview(video: Video, *, start_seconds: float, end_seconds: float) -> bytes:
    """Encode a span of a video as a small silent H.264 file that every browser plays.

    The preview has the duration of the span. Frames are taken at a fixed rate within
    `MAX_PREVIEW_FRAMES` and `MAX_PREVIEW_FPS`.

    Args:
        video: The video to read.
        start_seconds: Start of the span from the start of the video; clamped to the video.
        end_seconds: End of the span; clamped to the video.

    Returns:
        An MP4 file that fits `PREVIEW_WIDTH` x `PREVIEW_HEIGHT` pixels.

    Raises:
        VideoError: A frame cannot be decoded.
    """
    start = min(max(start_seconds, video.time_of(0)), video.time_of(video.frames - 1))
    length = max(min(end_seconds, video.end_seconds) - start, 1 / video.fps)
    fps = min(video.fps, MAX_PREVIEW_FPS, MAX_PREVIEW_FRAMES / length)
    # A fixed rate keeps the pace of the video where its own rate varies.
    seconds = start + (np.arange(max(1, round(length * fps))) + 0.5) / fps
    size = _preview_size(video)
    frames = read_frames(video, seconds=seconds, size=size)
    rate = Fraction(fps).limit_denominator(1001)
    with tempfile.TemporaryDirectory(prefix="slic-") as folder:
        path = Path(folder) / "preview.mp4"
        write_video(path, frames, fps=rate, size=size, encoding=PREVIEW_ENCODING)
        return path.read_bytes()


def encode_thumbnail(video: Video, *, seconds: float) -> bytes:
    """Encode the frame at a time of a video as a small WebP picture.

    Args:
        video: The video to read.
        seconds: Time from the start of the video; clamped to the video.

    Raises:
        VideoError: The frame cannot be decoded or encoded.
    """
    picture = read_frames(video, seconds=[seconds], size=_preview_size(video))[0]
    flags = [cv2.IMWRITE_WEBP_QUALITY, 70]
    done, data = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    if not done:
        raise VideoError(f"{video.path}: the frame at {seconds:g} s cannot be encoded.")
    return data.tobytes()


def _preview_size(video: Video) -> tuple[int, int]:
    """Return width and height inside the bounding box, even because H.264 needs it."""
    scale = min(1.0, PREVIEW_WIDTH / video.width, PREVIEW_HEIGHT / video.height)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    return width, height
