"""Packets, key frames and presentation times of a video file, as a value that can be stored.

Frame i is the i-th picture in the order of presentation. Its time is its presentation time stamp,
counted from the start of the container as the ``ffmpeg`` command does.
"""

import json
import operator
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from slic.parsing import parse_json
from slic.videos.container import VideoPacket
from slic.videos.orientation import Orientation

TIMELINE_FORMAT = 1
MAX_PACKETS = 1 << 24  # of a week at 25 frames per second
MAX_STREAMS = 1 << 16
MAX_HEAD_BYTES = 1024
NO_TIME = np.iinfo(np.int64).min
_ARRAYS = ("stamps", "hidden", "keys", "positions", "sizes", "key_pts", "key_dts")


@dataclass(frozen=True, eq=False, kw_only=True)
class Timeline:
    """The packets of the chosen stream, in decoding order.

    Attributes:
        stream: Index of the stream in the container.
        time_base: Seconds of one unit of a stamp.
        start: The stamp at 0 s.
        counted: Frames are numbered in the order in which the decoder gives them. Stamps do not
            tell which packet shows which frame.
        skippable: Pictures that no other needs may be left out while decoding. In packed streams of
            MPEG-4 the picture after such a one would be lost.
        by_position: Seek by byte position, not by time.
        orientation: How a decoded picture is turned before it is shown.
        stamps: Presentation time stamp of each packet.
        hidden: Packets whose pictures are not shown.
        keys: Packets where decoding can begin.
        positions: Byte position of each key packet; -1 if the container does not tell.
        sizes: Bytes of each key packet.
        key_pts: Presentation stamp of each key packet as it stands in the file.
        key_dts: Decoding stamp of each key packet as it stands in the file.
    """

    stream: int
    time_base: Fraction
    start: int
    counted: bool
    skippable: bool
    by_position: bool
    orientation: Orientation
    stamps: Int[np.ndarray, " packets"]
    hidden: Int[np.ndarray, " hidden"]
    keys: Int[np.ndarray, " keys"]
    positions: Int[np.ndarray, " keys"]
    sizes: Int[np.ndarray, " keys"]
    key_pts: Int[np.ndarray, " keys"]
    key_dts: Int[np.ndarray, " keys"]

    @cached_property
    def packets(self) -> Int[np.ndarray, " frames"]:
        """The packet whose stamp is the time of each frame, by ascending stamps.

        It is the packet that shows the frame, unless frames are ``counted``.
        """
        shown = np.ones(len(self.stamps), bool)
        shown[self.hidden] = False
        ordered = np.argsort(self.stamps, kind="stable")
        return np.asarray(ordered[shown[ordered]], np.int64)

    @cached_property
    def frame_of_packet(self) -> Int[np.ndarray, " packets"]:
        """The frame that each packet shows; -1 for a hidden one."""
        frames = np.full(len(self.stamps), -1, np.int64)
        frames[self.packets] = np.arange(len(self.packets))
        return frames

    @cached_property
    def seconds(self) -> Float[np.ndarray, " frames"]:
        """Presentation time of each frame, ascending."""
        ticks = self.stamps[self.packets] - self.start
        return np.asarray(ticks * float(self.time_base), np.float64)

    @cached_property
    def key_of_signature(self) -> dict[tuple[int, ...], int]:
        """Map what a key packet looks like after a seek to its number."""
        rows = zip(self.positions, self.sizes, self.key_pts, self.key_dts, self.keys, strict=True)
        return {_signature(*(int(x) for x in row[:4])): int(row[4]) for row in rows}

    def key_before(self, packet: int) -> int:
        """Return which key (a place in `keys`) to decode from to get what a packet shows.

        Pictures that are shown before a key frame but follow it in the file need the key frame
        before.
        """
        place = int(np.searchsorted(self.keys, packet, side="right")) - 1
        while place > 0 and self.stamps[self.keys[place]] > self.stamps[packet]:
            place -= 1
        return max(place, 0)

    def packed(self) -> bytes:
        """Return the timeline as a few bytes, for caches and indexes."""
        head = {
            "format": TIMELINE_FORMAT,
            "stream": self.stream,
            "time_base": [self.time_base.numerator, self.time_base.denominator],
            "start": self.start,
            "counted": self.counted,
            "skippable": self.skippable,
            "by_position": self.by_position,
            "orientation": list(self.orientation),
            "lengths": [len(getattr(self, name)) for name in _ARRAYS],
        }
        deltas = [np.diff(getattr(self, name), prepend=0) for name in _ARRAYS]
        body = b"".join(np.asarray(delta, "<i8").tobytes() for delta in deltas)
        return zlib.compress(json.dumps(head).encode() + b"\n" + body, 6)


@lru_cache(maxsize=512)
def unpack_timeline(data: bytes) -> Timeline:
    """Return what `Timeline.packed` packed.

    Raises:
        ValueError: The bytes are of another format, or damaged.
    """
    try:
        inflate = zlib.decompressobj()
        head, _, body = inflate.decompress(data, MAX_HEAD_BYTES).partition(b"\n")
        fields: dict[str, Any] = parse_json(head)
        if fields.pop("format") != TIMELINE_FORMAT:
            raise ValueError("it is of another format; scan the videos again")
        lengths = [operator.index(length) for length in fields.pop("lengths")]
        if not 0 <= min(lengths) <= max(lengths) <= lengths[0] <= MAX_PACKETS:
            raise ValueError(f"impossible lengths {lengths}")
        wanted = 8 * sum(lengths)
        # Its length is known, so that a bomb does not go off.
        body += inflate.decompress(inflate.unconsumed_tail, max(1, wanted + 1 - len(body)))
        if len(body) != wanted or not inflate.eof:
            raise ValueError("another length than it says")
        parts = np.split(np.frombuffer(body, "<i8"), np.cumsum(lengths)[:-1])
        fields |= {name: np.cumsum(part) for name, part in zip(_ARRAYS, parts, strict=True)}
        fields["time_base"] = Fraction(*fields["time_base"])
        fields["orientation"] = Orientation(*fields["orientation"])
        return _checked(Timeline(**fields))
    except (zlib.error, ArithmeticError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a damaged timeline ({error})") from error


def _checked(timeline: Timeline) -> Timeline:
    """Return a timeline if its numbers are possible.

    Raises:
        ValueError: One is not.
    """
    count, t = len(timeline.stamps), timeline
    flags = (t.counted, t.skippable, t.by_position, *t.orientation)
    places = {"hidden": t.hidden, "keys": t.keys}
    wrong = [
        *(name for name, x in places.items() if x.size and not 0 <= x.min() <= x.max() < count),
        *(name for name in _ARRAYS[3:] if len(getattr(t, name)) != len(t.keys)),
        *(["keys"] if np.any(np.diff(t.keys) <= 0) or not len(t.keys) else []),
        *(["flags"] if any(type(flag) is not bool for flag in flags) else []),
        *(["stream"] if not 0 <= operator.index(t.stream) < MAX_STREAMS else []),
        *(["start"] if abs(operator.index(t.start)) > -NO_TIME else []),
        *(["time_base"] if not 0 < t.time_base < MAX_PACKETS else []),
    ]
    if wrong:
        raise ValueError(f"impossible {wrong[0]}")
    return t


def signature_of(packet: VideoPacket) -> tuple[int, ...]:
    """Return what identifies a packet after a seek."""
    return _signature(or_default(packet.pos, -1), packet.size, *stamps_of(packet))


def _signature(position: int, size: int, pts: int, dts: int) -> tuple[int, ...]:
    return (position, size) if position >= 0 else (pts, dts, size)


def stamps_of(packet: VideoPacket) -> tuple[int, int]:
    """Return the presentation and the decoding stamp of a packet; `NO_TIME` for a missing one."""
    return or_default(packet.pts, NO_TIME), or_default(packet.dts, NO_TIME)


def or_default(value: int | None, otherwise: int) -> int:
    """Return a value, or another if it is None."""
    return otherwise if value is None else value
