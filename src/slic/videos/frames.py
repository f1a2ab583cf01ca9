"""Reading frames of videos: files, folders of pictures and proxies."""

from collections.abc import Iterator, Sequence
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from slic.errors import VideoError
from slic.files import reason_of
from slic.videos import frame_folder, motion_jpeg
from slic.videos.decoder import decode_frames
from slic.videos.orientation import Orientation
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
    frames = _resized_frames(video, places.tolist(), size)
    for slot, frame in zip(out, frames, strict=True):
        slot[...] = frame
    return out if np.array_equal(order, np.arange(len(places))) else out[order]


def stream_frames(
    video: Video, places: Sequence[int], *, size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Give the frames at ascending places as RGB, one at a time.

    Few frames are held, however long the video. They are those of `read_frames`.

    Raises:
        VideoError: A frame does not decode.
    """
    for frame in _resized_frames(video, places, size):
        yield np.ascontiguousarray(frame)


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


def _resized_frames(
    video: Video, places: Sequence[int], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "rows columns 3"]]:
    """Give the frames at ascending places, resized one by one: few are held at full size."""
    if not len(places):
        return
    if video.path.is_dir():
        yield from (_resized(_rgb(frame), size) for frame in _frames_of_folder(video, places))
        return
    try:
        stored = motion_jpeg.read(video.path, places, frames=video.frames)
        if stored is not None:
            yield from (_resized(_rgb(frame), size) for frame in stored)
            return
        timeline = video.read_timeline()
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error
    turn: Orientation = timeline.orientation
    coded = turn.size(size)
    for frame in decode_frames(video.path, timeline, places):
        yield turn.apply(_resized(frame, coded))


def _rgb(frame: Frame) -> Frame:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)


def _frames_of_folder(video: Video, places: Sequence[int]) -> Iterator[Frame]:
    """Give the frames at these places of a folder of numbered pictures as BGR."""
    paths = frame_folder.frame_paths(video.path)
    for place in places:
        try:
            frame = frame_folder.read_image(paths[place]) if place < len(paths) else None
        except OSError as error:
            raise VideoError(f"{paths[place]}: {reason_of(error)}") from error
        if frame is None:
            raise VideoError(f"{video.path}: frame {place} does not decode")
        yield frame


def _resized(frame: Frame, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """Resize a frame: halved exactly while it is more than twice as large, then linearly.

    As smooth as the mean over areas, at an eighth of its time (320x240 to 171x128).
    """
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    while frame.shape[1] >= 2 * width and frame.shape[0] >= 2 * height:
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        frame = np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    resized = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
