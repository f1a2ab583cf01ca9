"""The frames that clips are cut from: all of a video, or those at a fixed rate.

Frame k at a rate of ``fps`` is the frame on display ``k / fps`` seconds after the start of the
video, by presentation time. So clips of videos of 25, 30 and 60 frames per second last equally
long. Spans (`slic.clips.spans`) count these frames, and `to_video_frames` translates them.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from slic.videos.video import Video

_TOLERANCE_SECONDS = 1e-6  # presentation times are not exact in binary


def frame_count(video: Video, fps: float | None) -> int:
    """Return the number of frames that clips are cut from, at least 1.

    Args:
        video: The video.
        fps: Frames per second; None takes all frames of the video.

    Example:
        >>> frame_count(video, None), frame_count(video, 12.5)  # 4 s at 25 frames per second
        (100, 50)
    """
    if fps is None:
        return video.frames
    return max(1, math.ceil((video.duration_seconds - _TOLERANCE_SECONDS) * fps))


def frame_edges(video: Video, fps: float | None) -> Float[np.ndarray, " edges"]:
    """Return the times, in seconds, when these frames start, and when the last one ends.

    Args:
        video: The video.
        fps: Frames per second; None takes all frames of the video.
    """
    if fps is None:
        return video.edge_seconds
    edges: Float[np.ndarray, " edges"] = (
        video.time_of(0) + np.arange(frame_count(video, fps) + 1) / fps
    )
    return edges


def to_video_frames(
    video: Video, indices: Int[np.ndarray, "*n"], fps: float | None
) -> Int[np.ndarray, "*n"]:
    """Return the frame indices in the video for indices at a fixed rate.

    Args:
        video: The video.
        indices: Frame numbers from 0. Those past the end give the last frame of the video.
        fps: Frames per second; None returns the indices as they are.
    """
    if fps is None:
        return indices
    seconds = video.time_of(0) + indices / fps + _TOLERANCE_SECONDS
    frames: Int[np.ndarray, "*n"] = np.searchsorted(video.times, seconds, side="right") - 1
    return frames
