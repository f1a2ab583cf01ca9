"""Reading frames out of videos: the only place that opens one.

OpenCV (PyAV for codecs that it lacks, and for interlaced frames) decides which frame is number i:
the i-th that it gives when it reads from the start. Every other way to a frame (jumping, time
stamps) is held to that when a video is scanned.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Int, UInt8

from slic.errors import VideoError
from slic.files import reason_of
from slic.videos import frame_folder, motion_jpeg, stamped
from slic.videos.capture import PYAV_ALONE, codec, opened
from slic.videos.inspection import JUMP_OVERHEAD_FRAMES
from slic.videos.video import Video

PastEnd = Literal["repeat-last", "loop", "error"]
Frame = UInt8[np.ndarray, "h w 3"]


def read_frames(
    video: Video,
    indices: Int[np.ndarray, " t"] | Sequence[int],
    *,
    size: tuple[int, int] | None = None,
    past_end: PastEnd = "repeat-last",
) -> UInt8[np.ndarray, "t h w 3"]:
    """Return frames of a video as RGB, the same as reading it from the start would give.

    Args:
        video: What the scan found out about the video.
        indices: Frame numbers from 0, in any order, repeats allowed.
        size: (width, height) in pixels to resize to, right after decoding; None keeps the size.
        past_end: What stands for a frame after the last one: the last again, the video from its
            start again, or an error.

    Raises:
        VideoError: A frame does not decode (any more), or is past the end and that is
            an error.
    """
    wanted = _inside(video, np.asarray(indices, dtype=np.int64), past_end)
    places, order = np.unique(wanted, return_inverse=True)
    size = size or (video.width, video.height)
    if len(places) == 0:
        return np.empty((0, size[1], size[0], 3), np.uint8)
    frames = _read_sorted(video, places.tolist(), size)
    if not np.array_equal(order, np.arange(len(places))):
        frames = frames[order]
    return frames


def stream_frames(
    video: Video, places: Sequence[int], *, size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Give the frames at ascending places as RGB, one at a time, in one pass from the start.

    Only one frame is held, however long the video. The frames are those of `read_frames`.

    Raises:
        VideoError: A frame does not decode (any more).
    """
    if video.path.is_dir():
        for frame in _frames_of_folder(video, places):
            yield _stacked(iter([frame]), 1, size)[0]
        return
    if (copied := _frames_of_copy(video, places)) is not None:
        for frame in copied:
            yield _stacked(iter([frame]), 1, size)[0]
        return
    for frame in _frames_of_file(video, places, jump=False):
        yield _stacked(iter([frame]), 1, size)[0]


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


def _read_sorted(
    video: Video, places: list[int], size: tuple[int, int]
) -> UInt8[np.ndarray, "t h w 3"]:
    """Read frames at ascending places with the first way that works."""
    if video.path.is_dir():
        return _stacked(_frames_of_folder(video, places), len(places), size)
    if (copied := _frames_of_copy(video, places)) is not None:
        return _stacked(copied, len(places), size)
    if video.stamped:
        with contextlib.suppress(VideoError):  # the file may have changed; look closer
            return _stacked(stamped.read(video.path, places, fps=video.fps), len(places), size)
    if video.seekable:
        with contextlib.suppress(VideoError):
            return _stacked(_frames_of_file(video, places, jump=True), len(places), size)
    return _stacked(_frames_of_file(video, places, jump=False), len(places), size)


def _frames_of_file(video: Video, places: Sequence[int], *, jump: bool) -> Iterator[Frame]:
    """Give the frames at ascending places of a video file as BGR, with one opening."""
    if not _is_interlaced(video):
        with opened(video.path) as capture:
            if codec(capture) not in PYAV_ALONE:
                yield from _frames_at(capture, video, places, jump=jump)
                return
    if jump:
        yield from stamped.read(video.path, places, fps=video.fps)
        return
    frames = enumerate(stamped.shown(video.path, fps=video.fps))
    for place in places:
        frame = next((frame for number, frame in frames if number == place), None)
        picture = frame.picture() if frame else None
        if picture is None:
            raise VideoError(f"{video.path}: frame {place} does not decode")
        yield picture


def _is_interlaced(video: Video) -> bool:
    if video.interlaced is not None:
        return video.interlaced
    try:
        changed = video.path.stat().st_mtime_ns
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error
    return _looked_at(video.path, changed)


@lru_cache(maxsize=4096)
def _looked_at(path: Path, changed: int) -> bool:  # noqa: ARG001 (another file has another answer)
    return stamped.interlaced(path)


def _frames_at(
    capture: cv2.VideoCapture, video: Video, places: Sequence[int], *, jump: bool
) -> Iterator[Frame]:
    """Give the frames at ascending places as BGR; frames between are decoded but not converted."""
    upcoming = 0  # number of the frame that the next grab gives
    jump_cost = JUMP_OVERHEAD_FRAMES + video.keyframe_gap // 2  # frames decoded, on average
    for place in places:
        if jump and place - upcoming > jump_cost:
            capture.set(cv2.CAP_PROP_POS_FRAMES, place)
            upcoming = round(capture.get(cv2.CAP_PROP_POS_FRAMES))
        decoded = upcoming <= place
        while decoded and upcoming <= place:
            decoded = capture.grab()
            upcoming += 1
        decoded, frame = capture.retrieve() if decoded else (False, None)
        if not decoded or frame is None:
            raise VideoError(f"{video.path}: frame {place} does not decode")
        yield np.asarray(frame, dtype=np.uint8)


def _frames_of_folder(video: Video, places: Sequence[int]) -> Iterator[Frame]:
    """Give the frames at these places of a folder of numbered frames as BGR."""
    paths = frame_folder.frame_paths(video.path)
    for place in places:
        try:
            frame = frame_folder.read_image(paths[place]) if place < len(paths) else None
        except OSError as error:
            raise VideoError(f"{paths[place]}: {reason_of(error)}") from error
        if frame is None:
            raise VideoError(f"{video.path}: frame {place} does not decode")
        yield frame


def _frames_of_copy(video: Video, places: Sequence[int]) -> Iterator[Frame] | None:
    """Give the frames at these places of one of our small copies as BGR; else None."""
    if video.keyframe_gap > 1:
        return None
    try:
        return motion_jpeg.read(video.path, places, frames=video.frames)
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error


def _stacked(
    frames: Iterator[Frame], count: int, size: tuple[int, int]
) -> UInt8[np.ndarray, "t h w 3"]:
    """Resize frames one by one, so that few are held at full size, and stack them as RGB."""
    width, height = size
    out = np.empty((count, height, width, 3), np.uint8)
    for slot, frame in zip(out, frames, strict=True):
        if frame.shape[:2] != (height, width):
            frame = _resized(frame, size)
        cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=slot)
    return out


def _resized(frame: Frame, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """Resize a frame: halved exactly while it is more than twice as large, then linearly.

    As smooth as the mean over areas, at an eighth of its time (320x240 to 171x128).
    """
    width, height = size
    while frame.shape[1] >= 2 * width and frame.shape[0] >= 2 * height:
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        frame = np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    resized = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
