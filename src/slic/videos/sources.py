"""Frames of one video, one by one: from its file or from its folder of pictures."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.files import reason_of
from slic.videos import frame_folder
from slic.videos.decoder import decode_frames
from slic.videos.video import Video

Frame = UInt8[np.ndarray, "h w 3"]


def resized_frames(
    video: Video, places: Sequence[int], size: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "rows columns 3"]]:
    """Give the frames at ascending places as RGB, resized one by one: few are held at full size.

    Args:
        video: The video.
        places: Ascending frame numbers.
        size: (width, height) to resize to.

    Raises:
        VideoError: A frame does not decode.
    """
    if not len(places):
        return
    if frame_folder.is_picture_clip(video.path):
        yield from (resize(as_rgb(frame), size) for frame in _pictures_at(video, places))
        return
    try:
        timeline = video.read_timeline()
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error
    turn = timeline.orientation
    for frame in decode_frames(video.path, timeline, places):
        yield turn.apply(resize(frame, turn.size(size)))


def as_rgb(frame: Frame) -> Frame:
    """Return a picture of OpenCV, which is BGR, as RGB."""
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)


def _pictures_at(video: Video, places: Sequence[int]) -> Iterator[Frame]:
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


def resize(frame: Frame, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
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
