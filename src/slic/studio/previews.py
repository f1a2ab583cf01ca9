"""Previews and pictures of moments, and the files that need no preview.

The functions that open files run in worker processes: the files may be of unknown origin.
"""

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from cachetools import LRUCache
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.videos.container import MAX_PIXELS, open_container
from slic.videos.encoding import Encoding, write_video
from slic.videos.sources import resized_frames
from slic.videos.video import Video

MAX_GRID_FILE_BYTES = 6 << 20  # a browser has six connections, and a larger file takes one long
_PLAYABLE_PIXEL_FORMATS = ("yuv420p", "yuvj420p")
_PLAYABLE_CONTAINERS = {  # FFmpeg's name of the container: codecs, media type
    "mov,mp4,m4a,3gp,3g2,mj2": (("h264",), "video/mp4"),
    "matroska,webm": (("vp8", "vp9", "av1"), "video/webm"),
}
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


def playable_media_type(path: Path) -> str | None:
    """Return the media type of a file that every current browser plays.

    Returns:
        ``"video/mp4"`` for H.264 in MP4 or MOV, ``"video/webm"`` for VP8, VP9 or AV1 in WebM, both
        with 8-bit 4:2:0 pixels. None for any other file, and for a file that cannot be read.
    """
    try:
        with open_container(path) as container:
            codecs, kind = _PLAYABLE_CONTAINERS.get(container.format.name, ((), ""))
            context = container.streams.video[0].codec_context
            # The decoder may be a library ("libvpx-vp9") while the codec is "vp9".
            plays = context.name.removeprefix("lib") in codecs or context.codec.name in codecs
            return kind if plays and context.pix_fmt in _PLAYABLE_PIXEL_FORMATS else None
    except (VideoError, av.FFmpegError, OSError, IndexError):
        return None


def playable_media_types(paths: Sequence[Path]) -> list[str | None]:
    """Return `playable_media_type` of several files."""
    return [playable_media_type(path) for path in paths]


class PreviewCache:
    """A thread-safe cache of encoded previews that drops the least recently used ones.

    Args:
        max_bytes: Total size of what is kept. A larger preview is returned, but not kept.
    """

    def __init__(self, max_bytes: int = MAX_PREVIEW_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._cache: LRUCache[Hashable, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Total size of what is kept, in bytes."""
        return int(self._cache.currsize)

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
    frames = _read(video, seconds.tolist(), size)
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
    (picture,) = _read(video, [seconds], _preview_size(video))
    flags = [cv2.IMWRITE_WEBP_QUALITY, 70]
    done, data = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    if not done:
        raise VideoError(f"{video.path}: the frame at {seconds:g} s cannot be encoded.")
    return data.tobytes()


def _read(
    video: Video, seconds: Sequence[float], size: tuple[int, int]
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Return the frames on display at ascending times, read in this process.

    Raises:
        VideoError: A frame is too large, or cannot be decoded.
    """
    if video.width * video.height > MAX_PIXELS:
        raise VideoError(
            f"{video.path}: its pictures have {video.width} x {video.height} pixels; "
            f"at most {MAX_PIXELS / 1e6:.0f} million are decoded."
        )
    wanted = [video.frame_at(second) for second in seconds]
    places = sorted(set(wanted))
    try:
        read = dict(zip(places, resized_frames(video, places, size), strict=True))
    except VideoError as error:
        if os.strerror(errno.ENOMEM) in str(error):  # FFmpeg's MemoryError
            raise MemoryError from error
        raise
    return [read[place] for place in wanted]


def _preview_size(video: Video) -> tuple[int, int]:
    """Return width and height inside the bounding box, even because H.264 needs it."""
    scale = min(1.0, PREVIEW_WIDTH / video.width, PREVIEW_HEIGHT / video.height)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    return width, height
