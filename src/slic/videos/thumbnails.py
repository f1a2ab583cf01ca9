"""Filmstrips: frames side by side in one image, which a page shows one after the other."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int, UInt8

from slic.videos.frames import read_frames as read_frames_of_file
from slic.videos.video import Video

FRAMES_PER_SECOND = 8.0
# What ``slic.videos.frames.read_frames(video, indices, size=(width, height))`` promises.
FrameReader = Callable[..., UInt8[np.ndarray, "t h w 3"]]


@dataclass(frozen=True)
class Filmstrip:
    """Frames side by side in one image, as a ``data:`` address that needs no other file."""

    uri: str
    frames: int
    width: int
    height: int

    @property
    def seconds(self) -> float:
        """How long one pass through the frames takes at natural speed."""
        return self.frames / FRAMES_PER_SECOND


def filmstrip(
    video: Video,
    read_frames: FrameReader = read_frames_of_file,
    *,
    frames: int = 12,
    size: tuple[int, int] = (144, 108),
    quality: int = 60,
    between_seconds: tuple[float, float] | None = None,
) -> Filmstrip:
    """Return the middle of a video at natural speed, 8 frames a second.

    Args:
        video: The video.
        read_frames: Reads the frames; see `slic.videos.frames.read_frames`.
        frames: Largest number of frames.
        size: (width, height) of a frame in pixels. Another aspect ratio gets dark bars.
        quality: Of the WebP image, up to 100.
        between_seconds: Start and end of the part whose middle is shown; None for the whole video.

    Raises:
        VideoError: A frame does not decode.
    """
    scale = min(size[0] / video.width, size[1] / video.height)
    inner = (max(1, round(video.width * scale)), max(1, round(video.height * scale)))
    indices = middle_indices(video, frames, between_seconds=between_seconds)
    pictures = read_frames(video, indices, size=inner)
    strip = np.concatenate([_letterboxed(picture, size) for picture in pictures], axis=1)
    flags = [cv2.IMWRITE_WEBP_QUALITY, quality]
    done, data = cv2.imencode(".webp", cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), flags)
    assert done
    uri = "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode("ascii")
    return Filmstrip(uri, len(pictures), *size)


def small_filmstrip(video: Video, read_frames: FrameReader = read_frames_of_file) -> Filmstrip:
    """Return 6 frames of 96 x 72 in about 5 kB, for the hundreds of points of a map."""
    return filmstrip(video, read_frames, frames=6, size=(96, 72), quality=40)


def middle_indices(
    video: Video, count: int, *, between_seconds: tuple[float, float] | None = None
) -> Int[np.ndarray, " t"]:
    """Return ``count`` frame numbers around the middle of a video, or of a part of it.

    A short video, or part, gives fewer frames. Where the rate varies, a frame may be repeated.
    """
    start, end = between_seconds or (-np.inf, np.inf)
    start = min(max(start, video.time_of(0)), video.time_of(video.frames - 1))
    end = min(max(end, start), video.end_seconds)
    step = 1 / min(video.fps, FRAMES_PER_SECOND)
    count = max(1, min(count, int((end - start) / step + 1e-6)))
    first = (start + end - (count - 1) * step) / 2
    indices = [video.frame_at(first + step * place) for place in range(count)]
    return np.asarray(indices, dtype=np.int64)


def _letterboxed(
    picture: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "H W 3"]:
    height, width = picture.shape[:2]
    box = np.full((size[1], size[0], 3), 24, dtype=np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    box[top : top + height, left : left + width] = picture
    return box
