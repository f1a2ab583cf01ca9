"""Reading frames of videos: files, folders of pictures and proxies."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from slic.errors import VideoError
from slic.files import reason_of
from slic.storage import RemotePath
from slic.videos import motion_jpeg
from slic.videos.frame_folder import is_picture_clip
from slic.videos.isolation import read_isolated
from slic.videos.sources import as_rgb, resize
from slic.videos.video import Video

PastEnd = Literal["repeat-last", "loop", "error"]
Frame = UInt8[np.ndarray, "h w 3"]


def read_frames(
    video: Video,
    indices: Int[np.ndarray, " t"] | Sequence[int] | None = None,
    *,
    seconds: Float[np.ndarray, " t"] | Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
    past_end: PastEnd = "repeat-last",
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return frames of a video as RGB, as ``ffmpeg`` shows them when it reads from the start.

    Args:
        video: The video.
        indices: Frame numbers from 0 in presentation order, in any order, repeats allowed.
        seconds: Presentation times, instead of ``indices``: the frames on display then.
        size: (width, height) in pixels to resize to; None keeps the size.
        past_end: What stands for a frame after the last one: the last again, the video from its
            start again, or an error.

    Returns:
        The frames, one for each index or time.

    Raises:
        VideoError: A frame does not decode, or is past the end and that is an error.
        ValueError: A negative index, or not exactly one of ``indices`` and ``seconds``.

    Example:
        >>> read_frames(video, range(16), size=(171, 128)).shape
        (16, 128, 171, 3)
    """
    if (indices is None) == (seconds is None):
        raise ValueError("give either indices or seconds")
    if seconds is not None:
        indices = [video.frame_at(float(second)) for second in seconds]
    wanted = _inside(video, np.asarray(indices, dtype=np.int64), past_end)
    places, order = np.unique(wanted, return_inverse=True)
    size = size or (video.width, video.height)
    out = np.empty((len(places), size[1], size[0], 3), np.uint8)
    read = 0
    for block in _blocks(video, places.tolist(), size):
        out[read : read + len(block)] = block
        read += len(block)
    return out if np.array_equal(order, np.arange(len(places))) else out[order]


def stream_frames(
    video: Video, places: Sequence[int], *, size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Give the frames at ascending places as RGB, one at a time.

    Few frames are held, however long the video. They are those of `read_frames`.

    Raises:
        VideoError: A frame does not decode.
    """
    for block in _blocks(video, places, size):
        yield from block.copy()


def _inside(
    video: Video, indices: Int[np.ndarray, " t"], past_end: PastEnd
) -> Int[np.ndarray, " t"]:
    """Return the indices with those after the last frame replaced as the policy says."""
    if len(indices) and indices.min() < 0:
        raise ValueError(f"frame {indices.min()} of {video.path}: frames are counted from 0")
    if past_end == "error" and len(indices) and indices.max() >= video.frames:
        raise VideoError(
            f"{video.path}: frame {indices.max()} was asked for, but it has {video.frames} frames"
        )
    inside: Int[np.ndarray, " t"] = (
        indices % video.frames if past_end == "loop" else np.minimum(indices, video.frames - 1)
    )
    return inside


def _blocks(
    video: Video, places: Sequence[int], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "n rows columns 3"]]:
    """Give the frames at ascending places; proxies are our own files and need no isolation."""
    video, places = video.whole, video.in_whole(places)
    try:
        not_ours = isinstance(video.path, RemotePath) or is_picture_clip(video.path)
        stored = None if not_ours else _of_proxy(video, places)
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error
    if stored is None:
        return read_isolated(video, places, size)
    return (resize(as_rgb(frame), size)[None] for frame in stored)


def _of_proxy(video: Video, places: Sequence[int]) -> Iterator[Frame] | None:
    return motion_jpeg.read(video.path, places, frames=video.frames) if len(places) else None
