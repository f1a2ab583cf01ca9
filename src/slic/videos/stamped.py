"""Reading with PyAV: by time stamps, the quick way into the middle of a video, or in order.

A clip needs everything decoded since the key frame before it, but for frames that no other frame
needs (B-frames, mostly): those are left out on the way. The pictures are bit for bit OpenCV's;
only videos whose scan showed that are read so (`slic.videos.inspection`). In order are read those
whose codec OpenCV lacks (`slic.videos.capture.PYAV_ALONE`), and interlaced ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.videos.capture import Shown, refuse_strange

Frame = UInt8[np.ndarray, "h w 3"]

JUMP_FRAMES = 8  # fewer are decoded for less than a jump costs
LOOKED_AT = 4  # frames at each of three places
SKIP_FOR_GOOD = frozenset({"libdav1d"})  # what it is told to skip before its first frame


def read(path: Path, places: Sequence[int], *, fps: float) -> Iterator[Frame]:
    """Give the frames at ascending places as BGR; ``fps`` is the rate of the time stamps.

    Raises:
        VideoError: A frame is not where its time stamp would be, or does not decode.
    """
    with _opened(path) as (container, stream):
        clock = _Clock(stream, fps)
        container.seek(clock.stamp(places[0]), stream=stream)  # Matroska reads its index now
        for run in _runs(places, stream, clock):
            yield from _frames_of_run(container, stream, run, clock)


def shown(path: Path, *, fps: float) -> Iterator[Shown]:
    """Give the frames of a video in order, as far as they decode; ``fps`` is as of `read`."""
    colours = VideoReformatter()
    with suppress(VideoError), _opened(path) as (container, stream):
        clock = _Clock(stream, fps)
        for frame in container.decode(stream):
            stamp = -1.0 if frame.pts is None else clock.place(frame.pts)
            yield Shown(stamp, stamp / fps, frame.key_frame, partial(_picture, frame, colours))


def interlaced(path: Path) -> bool:
    """Tell whether frames are interlaced at the start, or one or two thirds into a video.

    OpenCV 5 does not convert them, says that it did, and gives what lay in memory. PyAV does.
    """
    with suppress(VideoError), _opened(path) as (container, stream):
        for third in range(3):
            if third and container.duration:
                container.seek((container.start_time or 0) + third * container.duration // 3)
            frames = islice(container.decode(stream), LOOKED_AT)
            if any(frame.interlaced_frame for frame in frames):
                return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file, to be decoded by one thread.

    Raises:
        VideoError: It does not open, or what is done with it fails.
    """
    refuse_strange(path)
    try:
        # Players write what they like into titles, in whatever encoding.
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            yield container, stream
    except (OSError, IndexError, ValueError, av.FFmpegError) as error:
        raise VideoError(f"{path}: {error}") from error


def _picture(frame: VideoFrame, colours: VideoReformatter) -> Frame:
    """Convert a frame to BGR, the right way up; ``colours`` is one for all frames of a video.

    A frame's own converter makes threads of its own.
    """
    bgr = colours.reformat(frame, format="bgr24", threads=1).to_ndarray()
    return np.rot90(bgr, frame.rotation // 90)


class _Clock:
    """Numbers of frames and their time stamps in a stream."""

    def __init__(self, stream: VideoStream, fps: float) -> None:
        assert stream.time_base is not None
        self.start = stream.start_time or 0
        self.step = float(1 / (fps * stream.time_base))

    def place(self, stamp: int) -> float:
        return (stamp - self.start) / self.step

    def number(self, stamp: int) -> int:
        return round(self.place(stamp))

    def stamp(self, number: int) -> int:
        return self.start + round(number * self.step)


def _runs(places: Sequence[int], stream: VideoStream, clock: _Clock) -> Iterator[list[int]]:
    """Yield the places in runs; between two of them lie frames and a key frame to jump to."""
    index = stream.index_entries
    keys = [index.search_timestamp(clock.stamp(place)) for place in places]
    run = [places[0]]
    for (before, key_before), (place, key) in pairwise(zip(places, keys, strict=True)):
        if place - before > JUMP_FRAMES and key != key_before:
            yield run
            run = []
        run.append(place)
    yield run


def _frames_of_run(
    container: InputContainer, stream: VideoStream, places: list[int], clock: _Clock
) -> Iterator[Frame]:
    """Give the frames of one run."""
    colours = VideoReformatter()
    waiting = iter(places)
    place = next(waiting)
    for frame in _decoded(container, stream, places, clock):
        number = -1 if frame.pts is None else clock.number(frame.pts)
        if number < place:
            continue
        if number > place:
            raise ValueError(f"there is no frame {place}")
        yield _picture(frame, colours)
        if (following := next(waiting, None)) is None:
            return
        place = following
    raise ValueError(f"it ends before frame {place}")


def _decoded(
    container: InputContainer, stream: VideoStream, places: list[int], clock: _Clock
) -> Iterator[VideoFrame]:
    """Give the frames from the key frame before a run, without most that nothing needs."""
    _jump(container, stream, clock.stamp(places[0]))
    unsent = set(places)
    may_skip = stream.codec_context.name not in SKIP_FOR_GOOD
    for packet in container.demux(stream):
        number = None if packet.pts is None else clock.number(packet.pts)
        needed = not may_skip or number is None or number in unsent
        stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        yield from packet.decode()
        unsent.discard(number)
        if not unsent:  # the decoder gives what it holds back, instead of asking for more
            yield from stream.codec_context.decode(None)
            return


def _jump(container: InputContainer, stream: VideoStream, stamp: int) -> None:
    """Make the next packet that of the key frame before a time stamp."""
    container.seek(stamp, stream=stream)
    key = next(container.demux(stream))
    if key.pts is not None and key.dts is not None and key.pts > stamp:
        stamp = key.dts - 1  # jumps go by when a packet is decoded; this one is shown later
    container.seek(stamp, stream=stream)
