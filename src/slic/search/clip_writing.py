"""Write frames of a video as a clip, with the times that they have in the video."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.files import atomic_path
from slic.videos.frames import stream_frames
from slic.videos.video import Video

TICKS_PER_SECOND = 90_000
"""Clock of the clips: times are exact to 6 microseconds, and for all usual frame rates."""
_OPTIONS = {"preset": "veryfast", "crf": "18", "g": "25", "bf": "0"}
_BT709, _LIMITED = 1, 1  # numbers of FFmpeg for the colours and the range of HD video


def write_clip(path: Path, video: Video, frames: tuple[int, int]) -> None:
    """Encode frames of a video as H.264 in MP4, with their presentation times from 0.

    A width or height that is odd loses a row or column, because H.264 needs even ones.

    Args:
        path: File to write.
        video: The video.
        frames: First frame, and the one after the last.

    Raises:
        VideoError: A frame does not decode.
        WriteError: The file cannot be written.
    """
    first, end = frames
    edges = video.edge_seconds[first : end + 1]
    ticks = np.round((edges - edges[0]) * TICKS_PER_SECOND).astype(np.int64).tolist()
    size = (video.width, video.height)
    pictures = stream_frames(video, range(first, end), size=size)
    try:
        with atomic_path(path) as temporary:
            _encode(temporary, pictures, ticks)
    except av.FFmpegError as error:
        raise VideoError(f"{video.path}: cannot be encoded ({error.strerror})") from error


def _encode(path: Path, pictures: Iterator[UInt8[np.ndarray, "h w 3"]], ticks: list[int]) -> None:
    first = next(pictures)
    height, width = (side - side % 2 for side in first.shape[:2])
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", options=_OPTIONS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = Fraction(1, TICKS_PER_SECOND)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        pictures = chain([first], pictures)
        for number, picture in enumerate(pictures):
            whole = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            frame = whole.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = ticks[number], Fraction(1, TICKS_PER_SECOND)
            _mux(file, stream.encode(frame), ticks)
        _mux(file, stream.encode(), ticks)


def _mux(file: OutputContainer, packets: Iterable["av.Packet[Any]"], ticks: list[int]) -> None:
    for packet in packets:
        if packet.pts == ticks[-2]:  # of the last frame, whose duration no other packet tells
            packet.duration = ticks[-1] - ticks[-2]
        file.mux(packet)
