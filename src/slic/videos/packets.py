"""Reading the timeline of a video file from its packets.

All packets are read, hardly any picture is decoded: the first one, which tells the size and the
orientation, and up to `HEAD_PICTURES` where others have the stamp of the first and may be dropped.

Where a stream has no usable presentation times, these rules hold:

* Only decoding times (AVI): the i-th picture has the i-th decoding time. The order of presentation
  follows from the picture types of MPEG-4, or is the decoding order where a codec does not reorder.
  For other codecs frames are counted from an IDR picture or from the start (``counted``).
* A packet without a time takes its decoding time, or the time between its neighbours. In H.264 and
  HEVC, frames are then counted as above.
* Times that jump back, or ahead by more than ten seconds in MPEG streams, continue with the last
  step.
"""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Bool, Int

from slic.errors import VideoError
from slic.storage import RangeFile, RemotePath, pinned
from slic.videos.bitstream import H26xRules, Mpeg4Rules, packet_rules
from slic.videos.container import (
    MAX_PIXELS,
    VideoPacket,
    open_container,
    open_object,
    read_packets,
    select_stream,
    video_streams,
)
from slic.videos.index_only import (
    IndexedObject,
    IndexRules,
    UntrustedIndexError,
    can_hide,
    open_indexed,
)
from slic.videos.orientation import Orientation
from slic.videos.timeline import NO_TIME, Timeline, or_default, stamps_of

HEAD_PICTURES = 8  # decoded at the start of a stream with equal stamps
MAX_JUMP_SECONDS = 10.0  # FFmpeg's bound for a discontinuity
REORDERING = frozenset({"h264", "hevc"})  # frames are shown in an order that packets do not tell
BYTE_SEEKING = frozenset({"mpegts", "mpeg"})  # a seek by time searches and may land anywhere


class Reading(NamedTuple):
    """A timeline with what else is known after reading the packets.

    Attributes:
        timeline: Times and key frames.
        width: Pixels of a frame, after rotation.
        height: Pixels, likewise.
        fps: The frame rate that the container declares; 0 if it does not.
        declared_frames: Number of frames that the container declares; 0 if it does not.
        codec: Name of the codec.
    """

    timeline: Timeline
    width: int
    height: int
    fps: float
    declared_frames: int
    codec: str


def read_timeline(path: Path) -> Reading:
    """Read all packets of a video file.

    Raises:
        VideoError: FFmpeg cannot read the file, it has no video track, its pictures are larger than
            `MAX_PIXELS`, or none of the first packets decodes.
    """
    if isinstance(path, RemotePath):
        with suppress(UntrustedIndexError):
            return _read_best(path, by_index=True)
    return _read_best(path)


def _read_best(path: Path, *, by_index: bool = False) -> Reading:
    """Read the packets of the first stream that has several, or else of the best one."""
    best: Reading | None = None
    with open_container(path, file=_opened(path, by_index=by_index)) as container:
        count = len(video_streams(container))
    for place in range(count):
        source = _opened(path, by_index=by_index)
        indexed = source if isinstance(source, IndexedObject) else None
        with open_container(path, file=source) as container:
            stream = video_streams(container)[place]
            reading = _read_stream(path, container, stream, indexed)
        if len(reading.timeline.packets) > 1:
            return reading
        best = best or reading
    if best is None:
        raise VideoError(f"{path}: no video track")
    return best


def _opened(path: Path, *, by_index: bool) -> IndexedObject | RangeFile | None:
    """Open an object by its index, or else to be read as a whole; a file is opened by its name."""
    if not isinstance(path, RemotePath):
        return None
    source = open_indexed(path) if by_index else None
    return source or open_object(path, [(0, pinned(path).known.size)])


class _Row(NamedTuple):
    pts: int
    dts: int
    position: int
    size: int
    shown: bool
    begins: bool
    kind: int


def _read_stream(
    path: Path, container: InputContainer, stream: VideoStream, source: IndexedObject | None
) -> Reading:
    context = stream.codec_context
    if stream.width * stream.height > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures of {stream.width} x {stream.height} pixels are too large; "
            f"at most {MAX_PIXELS / 1e6:.0f} million pixels are decoded"
        )
    select_stream(container, stream)
    declared, frames = float(stream.average_rate or stream.base_rate or 0), stream.frames
    codec = context.name
    rows, first, packed = _read_packets(container, stream, source)
    if first is None or not rows:
        raise VideoError(
            f"{path}: no frame could be decoded: it is damaged, or its codec is not known ({codec})"
        )
    packets = np.arange(len(rows))
    stamps, counted = _presentation_stamps(rows, stream, container.format.name)
    first_packet, picture = first
    shown = np.array([row.shown for row in rows])
    # Pictures before the first that decodes lack what they are coded from.
    shown &= (stamps >= stamps[first_packet]) if not counted else (packets >= first_packet)
    if counted:
        shown[_dropped_at_start(path, stream.index, stamps, first_packet)] = False
    keys = np.flatnonzero([row.begins and n >= first_packet for n, row in enumerate(rows)])
    if counted:
        keys = keys[[_splits(stamps, key) for key in keys.tolist()]]
    if len(keys) == 0 or keys[0] > first_packet:
        keys = np.concatenate([[first_packet], keys])
    table = np.array([row[:4] for row in rows], np.int64)[keys]
    orientation = Orientation.of_frame(picture)
    size = orientation.size((picture.width, picture.height))
    timeline = Timeline(
        stream=stream.index,
        time_base=stream.time_base or Fraction(1, 1000),
        start=_start_stamp(container, stream, int(stamps[shown].min()) if shown.any() else 0),
        counted=counted,
        skippable=not packed,
        by_position=container.format.name in BYTE_SEEKING,
        orientation=orientation,
        stamps=stamps,
        hidden=np.flatnonzero(~shown),
        keys=keys,
        positions=table[:, 2],
        sizes=table[:, 3],
        key_pts=table[:, 0],
        key_dts=table[:, 1],
    )
    return Reading(timeline, *size, declared, frames, codec)


def _dropped_at_start(
    path: Path, stream_index: int, stamps: Int[np.ndarray, " packets"], first: int
) -> list[int]:
    """Return packets with the first picture's stamp that the decoder drops.

    Where a stream was cut at an open group of pictures, some writers give the pictures that cannot
    be decoded the time of the key frame.
    """
    tied = set(np.flatnonzero(stamps == stamps[first]).tolist()) - {first}
    if not tied:
        return []
    given = 0
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream), "it was one when the packets were read"
        select_stream(container, stream)
        for number, packet in enumerate(read_packets(container, stream)):
            packet.pts = number
            pictures = _pictures(stream, packet)
            tied -= {picture.pts for picture in pictures}
            given += len(pictures)
            if given >= HEAD_PICTURES:
                break
    return sorted(tied)


def _splits(stamps: Int[np.ndarray, " packets"], key: int) -> bool:
    """Return whether all packets before a key frame are shown before it, and all after it later."""
    before, after = stamps[:key], stamps[key + 1 :]
    return bool(before.max(initial=NO_TIME) < stamps[key] < after.min(initial=-NO_TIME - 1))


def _read_packets(
    container: InputContainer, stream: VideoStream, source: IndexedObject | None
) -> tuple[list[_Row], tuple[int, VideoFrame] | None, bool]:
    """Return a row for each packet, the first picture with its packet, and if any is packed."""
    rules, rows = packet_rules(stream), list[_Row]()
    asked = IndexRules(rules, source) if source and can_hide(rules) else rules
    if source and asked is rules:
        source.read_all()
    instantaneous = container.format.name == "avi" and isinstance(rules, H26xRules)
    first: tuple[int, VideoFrame] | None = None
    for packet in read_packets(container, stream):
        shown = rules.shows(packet) and not packet.is_discard
        begins = asked.begins(packet)
        if begins and instantaneous and isinstance(rules, H26xRules):
            begins = rules.is_instantaneous(packet)
        kind = rules.kind if isinstance(rules, Mpeg4Rules) else -1
        pts, dts = stamps_of(packet)
        rows.append(_Row(pts, dts, or_default(packet.pos, -1), packet.size, shown, begins, kind))
        if first is None:
            packet.pts = len(rows) - 1
            first = _first_picture(stream, packet)
            if first is not None and source and asked is not rules:
                source.hide(stream, or_default(packet.pos, 0) + packet.size)
    packed = isinstance(rules, Mpeg4Rules) and rules.packed
    return rows, first or _first_picture(stream, None), packed


def _first_picture(
    stream: VideoStream, packet: VideoPacket | None
) -> tuple[int, VideoFrame] | None:
    pictures = _pictures(stream, packet)
    return next(((frame.pts, frame) for frame in pictures if frame.pts is not None), None)


def _pictures(stream: VideoStream, packet: VideoPacket | None) -> list[VideoFrame]:
    try:
        return stream.codec_context.decode(packet)
    except (FFmpegError, ValueError):
        return []


def _presentation_stamps(
    rows: list[_Row], stream: VideoStream, container: str
) -> tuple[Int[np.ndarray, " packets"], bool]:
    """Return a presentation stamp for every packet, and whether frames have to be counted."""
    pts, dts = (np.array([row[column] for row in rows], np.int64) for column in (0, 1))
    second = 1 / float(stream.time_base or Fraction(1, 1000))
    codec = stream.codec_context.name
    guessed = container == "avi" and codec in {"mpeg4", *REORDERING}
    if not guessed and (pts != NO_TIME).mean() > 0.5:
        offsets = _offsets(_filled(dts, pts), second, container)
        stamps = _filled(pts, dts) + offsets
        shown = [row.shown for row in rows]
        # Where frames are reordered, a decoding time does not tell when a frame is shown.
        unknown = codec in REORDERING and NO_TIME in pts[shown]
        return stamps, unknown or len(np.unique(stamps[shown])) < sum(shown)
    decoding = np.sort(_filled(dts, np.full_like(dts, NO_TIME)))
    if codec == "mpeg4":
        return _reordered(decoding, [row.kind for row in rows]), False
    return decoding, guessed or bool(stream.codec_context.has_b_frames)


def _reordered(
    stamps: Int[np.ndarray, " packets"], kinds: list[int]
) -> Int[np.ndarray, " packets"]:
    """Give stamps in presentation order to packets: a B-picture is shown before its reference."""
    order, held = list[int](), -1
    for packet, kind in enumerate(kinds):
        if kind in {-1, 2}:  # nothing is shown, or a B-picture
            order.append(packet)
            continue
        order.extend([held] if held >= 0 else [])
        held = packet
    order.extend([held] if held >= 0 else [])
    given = np.empty_like(stamps)
    given[order] = stamps
    return given


def _filled(
    stamps: Int[np.ndarray, " packets"], others: Int[np.ndarray, " packets"]
) -> Int[np.ndarray, " packets"]:
    """Fill missing stamps from ``others``, else from their neighbours."""
    filled = np.where(stamps == NO_TIME, others, stamps)
    known = filled != NO_TIME
    if not known.any():
        return np.arange(len(filled), dtype=np.int64)
    places = np.arange(len(filled))
    between = np.interp(places, places[known], filled[known].astype(np.float64))
    return np.where(known, filled, np.rint(between).astype(np.int64))


def _offsets(
    decoding: Int[np.ndarray, " packets"], second: float, container: str
) -> Int[np.ndarray, " packets"]:
    """Return what to add to stamps so that decoding times go on after a discontinuity."""
    steps = np.diff(decoding)
    usual = int(np.median(steps)) if len(steps) else 0
    jumps: Bool[np.ndarray, " steps"] = np.zeros(len(steps), bool)
    if container in BYTE_SEEKING:
        jumps = (steps < 0) | (steps > MAX_JUMP_SECONDS * second)
    offsets = np.zeros(len(decoding), np.int64)
    offsets[1:] = np.cumsum(np.where(jumps, usual - steps, 0))
    return offsets


def _start_stamp(container: InputContainer, stream: VideoStream, first: int) -> int:
    """Return the stamp at 0 s: the container's start, or the first frame if that is unknown."""
    if container.start_time is None or stream.time_base is None:
        return first
    return min(first, round(Fraction(container.start_time, 1_000_000) / stream.time_base))
