"""Reading frames by their time stamps, with PyAV: the quick way into the middle of a video.

A clip needs everything decoded since the key frame before it, but for frames that no other frame
needs (B-frames, mostly): those are left out on the way. The pictures are bit for bit OpenCV's;
only videos whose scan showed that are read so (`slic.videos.probing`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from slic.errors import UnreadableVideoError
from slic.videos.capture import refuse_strange

Frame = UInt8[np.ndarray, "h w 3"]

JUMP_FRAMES = 8  # fewer are decoded for less than a jump costs


def read(path: Path, places: Sequence[int], *, fps: float) -> Iterator[Frame]:
    """Give the frames at ascending places as BGR; ``fps`` is the rate of the time stamps.

    Raises:
        UnreadableVideoError: A frame is not where its time stamp would be, or does not decode.
    """
    refuse_strange(path)
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            clock = _Clock(stream, fps)
            container.seek(clock.stamp(places[0]), stream=stream)  # Matroska reads its index now
            for run in _runs(places, stream, clock):
                yield from _frames_of_run(container, stream, run, clock)
    except (OSError, IndexError, ValueError, av.FFmpegError) as error:
        raise UnreadableVideoError(f"{path}: {error}") from error


class _Clock:
    """Numbers of frames and their time stamps in a stream."""

    def __init__(self, stream: VideoStream, fps: float) -> None:
        assert stream.time_base is not None
        self.start = stream.start_time or 0
        self.step = float(1 / (fps * stream.time_base))

    def number(self, stamp: int) -> int:
        return round((stamp - self.start) / self.step)

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
    colours = VideoReformatter()  # one for all: a frame's own makes threads of its own
    waiting = iter(places)
    place = next(waiting)
    for frame in _decoded(container, stream, places, clock):
        number = -1 if frame.pts is None else clock.number(frame.pts)
        if number < place:
            continue
        if number > place:
            raise ValueError(f"there is no frame {place}")
        bgr = colours.reformat(frame, format="bgr24", threads=1).to_ndarray()
        yield np.rot90(bgr, frame.rotation // 90)
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
    for packet in container.demux(stream):
        number = None if packet.pts is None else clock.number(packet.pts)
        needed = number is None or number in unsent
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
