"""Decoding chosen frames of a video file with FFmpeg (PyAV).

Every packet is numbered in decoding order, and its number travels through the decoder in place of
its time stamp. So each decoded picture tells which packet it comes from, and the timeline tells
which frame that is. Missing, repeated or wrapping time stamps cannot shift a frame.

A frame in the middle is reached by seeking to a key frame. The packet that comes next is compared
with the ones of the timeline: where it is none of them, the file is read from its start.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import chain, islice, pairwise
from pathlib import Path

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from slic.errors import VideoError
from slic.storage import RangeFile, RemotePath, pinned
from slic.videos.byte_ranges import ranges_of_frames
from slic.videos.container import (
    VideoPacket,
    open_container,
    open_object,
    read_packets,
    select_stream,
)
from slic.videos.timeline import NO_TIME, Timeline, signature_of

MIN_SEEK_PACKETS = 8  # fewer are decoded for less than a seek costs
MAX_HELD_PICTURES = 32  # decoders give pictures at most 16 places early
BLOCK_FRAMES = 512  # the frames around a damaged one
MAX_ABSENT_SHARE = 0.1  # of a block
MAX_SEARCHED_PACKETS = 64  # after a seek, until one is known
ALWAYS_SKIPS = frozenset({"libdav1d"})  # it applies what it is told before its first picture to all
# Codecs that report damage as text only, and report nothing of a healthy picture after a seek.
INDEPENDENT_PICTURES = frozenset({"mjpeg", "gif", "png", "apng", "huffyuv", "ffv1", "prores"})
_log = logging.getLogger("slic")
Picture = UInt8[np.ndarray, "h w 3"]


class DamagedVideoError(VideoError):
    """More pictures of a video are damaged than `MAX_ABSENT_SHARE` allows."""


def decode_frames(path: Path, timeline: Timeline, frames: Sequence[int]) -> Iterator[Picture]:
    """Give the frames with these ascending numbers as RGB, at their coded size and orientation.

    Raises:
        VideoError: The file cannot be read, or a frame does not decode.
    """
    with Decoder(path, timeline, frames=frames) as decoder:
        for run in decoder.runs(frames):
            yield from decoder.read(run)


def _block(number: int, total: int) -> tuple[int, int]:
    """Return the first frame of a block, and the one after its last."""
    return number * BLOCK_FRAMES, min((number + 1) * BLOCK_FRAMES, total)


@lru_cache(maxsize=64)
def absent_frames(path: Path, timeline: Timeline, block: int) -> frozenset[int]:
    """Return the frames of a block that do not decode, and log how many they are."""
    first, last = _block(block, len(timeline.packets))
    frames = list(range(first, last))
    with Decoder(path, timeline, frames=frames) as decoder:
        given = {frame for frame, _ in decoder.decoded(frames)}
    absent = frozenset(frames) - given
    if absent:
        _log.warning(
            "%s: is damaged: %d of the frames %d to %d do not decode (the first is %d)",
            path, len(absent), first, last - 1, min(absent),
        )  # fmt: skip
    return absent


@lru_cache(maxsize=1024)
def _warn_of_damage(path: Path) -> None:
    """Log once that some pictures of a file are damaged; FFmpeg fills in what is missing."""
    _log.warning("%s: is damaged: some pictures are decoded in part", path)


def _reported_errors() -> int:
    """Return how many errors FFmpeg has reported, if `count_errors` was called."""
    return av.logging.get_last_error()[0]


def count_errors() -> None:
    """Have FFmpeg report errors to this process; they are counted, and not printed."""
    logger = logging.getLogger("libav")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.ERROR)


class Decoder:
    """An opened video file.

    Args:
        path: The file.
        timeline: Its packets.
        frames: Ascending numbers of the frames that will be read; of an object in storage, their
            bytes are fetched in few requests.
    """

    def __init__(self, path: Path, timeline: Timeline, *, frames: Sequence[int] = ()) -> None:
        self.path = path
        self.timeline = timeline
        self._frames = frames
        self._colours = VideoReformatter()  # a frame's own would start threads
        self._files = ExitStack()
        self._fresh = False
        self._container: InputContainer
        self._stream: VideoStream

    def __enter__(self) -> "Decoder":
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def runs(self, frames: Sequence[int]) -> Iterator[list[int]]:
        """Split frames into runs; between two of them a seek is quicker than decoding on."""
        if not len(frames):
            return
        packets = self._packets_of(frames)
        keys = [self.timeline.key_before(packet) for packet in packets]
        run = [frames[0]]
        for (_, before, key_before), (frame, packet, key) in pairwise(
            zip(frames, packets, keys, strict=True)
        ):
            if packet - before > MIN_SEEK_PACKETS and key > key_before:
                yield run
                run = []
            run.append(frame)
        yield run

    def read(self, frames: list[int], *, from_start: bool = False) -> Iterator[Picture]:
        """Give the frames of one run.

        A picture that does not decode is replaced by the one before it, if few are damaged.

        Raises:
            DamagedVideoError: More than `MAX_ABSENT_SHARE` of the frames around it do not decode.
        """
        key = min(self.timeline.key_before(packet) for packet in self._packets_of(frames))
        decoded = self._decoded(frames, -1 if from_start else key)
        ready: dict[int, VideoFrame] = {}
        for place, frame in enumerate(frames):
            while frame not in ready and len(ready) <= MAX_HELD_PICTURES:
                if (following := next(decoded, None)) is None:
                    break
                ready[following[0]] = following[1]
            if frame in ready:
                if ready[frame].is_corrupt:
                    _warn_of_damage(self.path)
                yield self._converted(ready.pop(frame))
                continue
            absent = absent_frames(self.path, self.timeline, frame // BLOCK_FRAMES)
            if frame not in absent and not from_start:  # decoding cannot begin at that key frame
                yield from self.read(frames[place:], from_start=True)
                return
            yield from self._stand_in(frame, absent)

    def _stand_in(self, frame: int, absent: frozenset[int]) -> Iterator[Picture]:
        """Give the nearest picture before one that does not decode, or else after it."""
        total = len(self.timeline.packets)
        first, last = _block(frame // BLOCK_FRAMES, total)
        others = [*range(frame - 1, first - 1, -1), *range(frame + 1, last)]
        other = next((other for other in others if other not in absent), None)
        if other is None or len(absent) > MAX_ABSENT_SHARE * (last - first):
            raise DamagedVideoError(
                f"{self.path}: frame {frame} does not decode "
                f"({len(absent)} of the {last - first} frames around it do not)"
            )
        return decode_frames(self.path, self.timeline, [other])

    def _packets_of(self, frames: Sequence[int]) -> list[int]:
        if frames[-1] >= len(self.timeline.packets):
            late = next(frame for frame in frames if frame >= len(self.timeline.packets))
            raise VideoError(f"{self.path}: frame {late} does not decode")
        packets: list[int] = self.timeline.packets[np.asarray(frames)].tolist()
        return packets

    def _open(self) -> None:
        self._files.close()
        probe = self.timeline.counted or self.timeline.by_position
        file = self._open_object() if isinstance(self.path, RemotePath) else None
        self._container = self._files.enter_context(
            open_container(self.path, probe=probe, file=file)
        )
        streams = self._container.streams
        if self.timeline.stream >= len(streams):
            raise VideoError(f"{self.path}: has changed since it was scanned")
        stream = streams[self.timeline.stream]
        if not isinstance(stream, VideoStream):
            raise VideoError(f"{self.path}: has changed since it was scanned")
        self._stream = stream
        select_stream(self._container, stream)
        self._fresh = True

    def _open_object(self) -> RangeFile:
        assert isinstance(self.path, RemotePath), "asked for objects only"
        path = pinned(self.path)
        ranges = ranges_of_frames(self.timeline, self._frames, size=path.known.size)
        return open_object(path, ranges)

    def _converted(self, frame: VideoFrame) -> Picture:
        try:
            return self._colours.reformat(
                frame, format="rgb24", interpolation=Interpolation.BICUBIC, threads=1
            ).to_ndarray()
        except (FFmpegError, ValueError) as error:  # damage gave the picture impossible colours
            reason = f"a picture cannot be converted to RGB ({error})"
            raise DamagedVideoError(f"{self.path}: {reason}") from None

    def decoded(self, frames: list[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Give the pictures of a run that decode, with their frame numbers."""
        return self._decoded(frames, self.timeline.key_before(min(self._packets_of(frames))))

    def _decoded(self, frames: list[int], key: int) -> Iterator[tuple[int, VideoFrame]]:
        """Give pictures with their frame numbers, from a key frame on; -1: from the start."""
        first, packets = self._packets_from(key)
        if self.timeline.counted:
            yield from self._counted(packets, first, frames)
        else:
            yield from self._tagged(packets, first, frames)

    def _tagged(
        self, packets: Iterator[VideoPacket], first: int, frames: list[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Decode until all frames came; leave out pictures that neither they nor others need."""
        context = self._stream.codec_context
        waiting = dict(zip(self._packets_of(frames), frames, strict=True))
        unsent = set(waiting)
        skipping = False
        may_skip = self.timeline.skippable and context.name not in ALWAYS_SKIPS
        for number, packet in enumerate(packets, start=first):
            if may_skip and skipping == (number in unsent):
                skipping = not skipping
                context.skip_frame = "NONREF" if skipping else "DEFAULT"
            packet.pts = number
            for frame in self._pictures(packet):
                if (place := waiting.pop(frame.pts or 0, None)) is not None:
                    yield place, frame
            unsent.discard(number)
            if not unsent:  # the decoder gives what it holds back, instead of asking for more
                break
        if waiting:
            for frame in self._pictures(None):
                if (place := waiting.pop(frame.pts or 0, None)) is not None:
                    yield place, frame
        context.skip_frame = "DEFAULT"

    def _counted(
        self, packets: Iterator[VideoPacket], first: int, frames: list[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Decode and count: the timeline does not tell in which order pictures are shown."""
        number, waiting = int((self.timeline.packets < first).sum()), set(frames)
        for packet in chain(packets, [None]):
            for frame in self._pictures(packet):
                if number in waiting:
                    waiting.discard(number)
                    yield number, frame
                number += 1
            if not waiting:
                return

    def _pictures(self, packet: VideoPacket | None) -> list[VideoFrame]:
        """Return what the decoder gives; like ``ffmpeg``, go on after a damaged packet."""
        before = _reported_errors()
        try:
            pictures = self._stream.codec_context.decode(packet)
        except (FFmpegError, EOFError):
            return []
        independent = self._stream.codec_context.name in INDEPENDENT_PICTURES
        reported = independent and _reported_errors() > before
        if pictures and (reported or (packet is not None and packet.is_corrupt)):
            _warn_of_damage(self.path)
        return pictures

    def _packets_from(self, key: int) -> tuple[int, Iterator[VideoPacket]]:
        """Return a packet's number and the packets from it on; it is no later than the key."""
        if key > 0 and (found := self._sought(key)):
            return found
        if not self._fresh:
            self._open()
        self._fresh = False
        return 0, self._demuxed()

    def _sought(self, key: int) -> tuple[int, Iterator[VideoPacket]] | None:
        self._fresh = False
        line = self.timeline
        wanted = int(line.keys[key])
        for target in self._targets(key):
            try:
                if line.by_position:
                    self._container.seek(target, unsupported_byte_offset=True)
                else:
                    self._container.seek(target, stream=self._stream)
                packets = self._demuxed()
                for packet in islice(packets, MAX_SEARCHED_PACKETS):
                    number = line.key_of_signature.get(signature_of(packet))
                    if number is not None and number <= wanted:
                        return number, chain([packet], packets)
                    if number is not None:
                        break
            except FFmpegError:
                continue
        return None

    def _targets(self, key: int) -> list[int]:
        """Return where to seek, best first; containers go by presentation or decoding times."""
        line = self.timeline
        if line.by_position:
            places = [int(line.positions[key])]
            return [place for place in places if place >= 0]
        stamps = [line.key_pts[key], line.key_dts[key], line.key_dts[key - 1]]
        return [int(stamp) for stamp in stamps if stamp != NO_TIME]

    def _demuxed(self) -> Iterator[VideoPacket]:
        return read_packets(self._container, self._stream)
