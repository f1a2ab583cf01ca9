"""Small pictures and films of a stretch of a video, for the page, kept in bounded memory."""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from slic.errors import VideoError
from slic.videos.encoding import Encoding, write_video
from slic.videos.frames import read_frames
from slic.videos.video import Video

WIDTH, HEIGHT = 384, 288  # the box that a preview fits into, pixels
MOST_FRAMES = 240
HIGHEST_FPS = 30.0
CACHE_BYTES = 192 << 20
H264 = Encoding(
    suffix=".mp4",
    container="mp4",
    codec="libx264",
    options={"preset": "veryfast", "crf": "27", "tune": "fastdecode"},
    keyframe_every=30,
)


class PreviewCache:
    """Bytes by key; what was not asked for the longest is forgotten first."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self._held: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """Return what is kept, or make and keep it."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            self._bytes += len(made) - len(self._held.get(key, b""))
            self._held[key] = made
            while self._bytes > self.most_bytes and len(self._held) > 1:
                self._bytes -= len(self._held.popitem(last=False)[1])
        return made


def film(video: Video, *, start_seconds: float, end_seconds: float) -> bytes:
    """Return a stretch as a small H.264 film that every browser plays.

    It lasts as long as the stretch; it has at most `MOST_FRAMES` frames.

    Raises:
        VideoError: A frame does not decode (any more).
    """
    start = min(max(video.time_of(0), start_seconds), video.time_of(video.frames - 1))
    length = max(min(end_seconds, video.end_seconds) - start, 1e-3)
    rate = min(video.fps, HIGHEST_FPS, MOST_FRAMES / length)
    # At a fixed rate, so that the film runs at the pace of the video where its own rate varies.
    seconds = start + (np.arange(max(1, round(length * rate))) + 0.5) / rate
    size = _fitted(video)
    frames = read_frames(video, seconds=seconds, size=size)
    fps = Fraction(rate).limit_denominator(1001)
    with tempfile.TemporaryDirectory(prefix="slic-") as folder:
        path = Path(folder) / "film.mp4"
        write_video(path, frames, fps=fps, size=size, encoding=H264)
        return path.read_bytes()


def still(video: Video, *, seconds: float) -> bytes:
    """Return the frame at a time as a small WebP picture.

    Raises:
        VideoError: It does not decode (any more).
    """
    picture = read_frames(video, seconds=[seconds], size=_fitted(video))[0]
    flags = [cv2.IMWRITE_WEBP_QUALITY, 70]
    done, data = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    if not done:
        raise VideoError(f"{video.path}: the picture at {seconds:g} s cannot be encoded")
    return data.tobytes()


def _fitted(video: Video) -> tuple[int, int]:
    """Return the size inside the box, in even numbers as H.264 wants them."""
    scale = min(1.0, WIDTH / video.width, HEIGHT / video.height)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    return width, height
