"""What the bytes of a packet say: whether it shows a picture and whether decoding can begin there.

Containers carry one packet for each coded picture, but not every coded picture is shown, and not
every packet that is flagged as a key frame can be decoded on its own. The rules follow the syntax
of each codec. A codec without a rule here shows every packet, and its flags are trusted.
"""

from collections.abc import Callable

from av.video.stream import VideoStream

from slic.videos.container import VideoPacket

MAX_PICTURE_HEADER_BYTES = 4096  # slice headers lie behind metadata of about a kilobyte
VOP = b"\x00\x00\x01\xb6"  # start code of a picture of MPEG-4
MAX_NOT_CODED_BYTES = 19  # FFmpeg's bound for the placeholder of a packed B-frame
INTRA_ONLY_FIRST = frozenset({"gif", "apng", "webp"})  # later pictures are drawn over earlier ones


class PacketRules:
    """Every packet shows a picture; decoding begins where the container flags a key frame.

    Ask about all packets of a stream, in decoding order from a key frame on.
    """

    def shows(self, packet: VideoPacket) -> bool:  # noqa: ARG002
        """Return whether the decoder gives a picture for this packet."""
        return True

    def begins(self, packet: VideoPacket) -> bool:
        """Return whether decoding can begin at this packet."""
        return bool(packet.is_keyframe)


class FirstPacketRules(PacketRules):
    """Decoding begins at the first packet only."""

    def __init__(self) -> None:
        self._started = False

    def begins(self, packet: VideoPacket) -> bool:  # noqa: ARG002
        """Return whether decoding can begin at this packet."""
        started, self._started = self._started, True
        return not started


class H26xRules(PacketRules):
    """H.264 and HEVC: a key frame has an IDR or another intra picture (not a periodic refresh)."""

    def __init__(self, stream: VideoStream) -> None:
        extradata = stream.codec_context.extradata or b""
        self._hevc = stream.codec_context.name == "hevc"
        place = 21 if self._hevc else 4
        boxed = len(extradata) > place and extradata[0] == 1
        self._length_bytes = (extradata[place] & 3) + 1 if boxed else 0

    def begins(self, packet: VideoPacket) -> bool:
        """Return whether decoding can begin at this packet."""
        if not packet.is_keyframe:
            return False
        intra = self._is_intra if not self._hevc else _is_random_access_of_hevc
        verdicts = map(intra, nal_units(_head(packet), self._length_bytes))
        return next((verdict for verdict in verdicts if verdict is not None), False)

    def shows(self, packet: VideoPacket) -> bool:
        """Return False for the last packet of a file that is cut off inside it."""
        if not packet.is_corrupt or self._length_bytes == 0:
            return True
        data, at = bytes(packet), 0
        while at + self._length_bytes <= len(data):
            at += self._length_bytes + int.from_bytes(data[at : at + self._length_bytes], "big")
        return at == len(data)

    def is_instantaneous(self, packet: VideoPacket) -> bool:
        """Return whether the packet is an IDR picture: none after it is shown before it."""
        kinds = [nal[0] & 31 for nal in nal_units(_head(packet), self._length_bytes) if nal]
        return not self._hevc and 5 in kinds

    @staticmethod
    def _is_intra(nal: bytes) -> bool | None:
        kind = nal[0] & 31 if nal else 0
        if kind == 5:
            return True
        if kind != 1 and kind != 2:
            return None
        bits = BitReader(nal[1:])
        bits.exp_golomb()  # first_mb_in_slice
        return bits.exp_golomb() % 5 == 2  # slice_type I


class Mpeg4Rules(PacketRules):
    """MPEG-4 part 2: packed B-frames, and pictures that are not coded (ISO 14496-2, 6.2.5).

    A packed packet holds two pictures; the second one waits for the next packet with one picture.
    That packet then waits in its place, or is an empty placeholder. So each packet shows one
    picture, as FFmpeg's filter ``mpeg4_unpack_bframes`` deals them out.

    Attributes:
        kind: Type of the picture that the last packet shows: 0 I, 1 P, 2 B, 3 S; -1 if none.
        packed: Whether a packet was packed so far.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.kind = -1
        self.packed = False
        self._time_bits = _time_bits(stream.codec_context.extradata or b"")
        self._waiting = -1  # type of the picture that waits

    def shows(self, packet: VideoPacket) -> bool:
        """Return whether the decoder gives a picture for this packet."""
        data = bytes(packet)
        self._time_bits = _time_bits(data[:256]) or self._time_bits
        starts = [at for at in _starts(data, VOP) if at + 4 < len(data)]
        kinds = [data[at + 4] >> 6 for at in starts]
        if len(kinds) > 1:
            self.packed = True
            self.kind, self._waiting = kinds[0], kinds[1]
        elif kinds and self._waiting >= 0:
            placeholder = len(data) <= MAX_NOT_CODED_BYTES
            self.kind, self._waiting = self._waiting, -1 if placeholder else kinds[0]
        else:
            coded = bool(kinds) and self._is_coded(data[starts[0] + 4 :])
            self.kind = kinds[0] if coded else -1
        return self.kind >= 0

    def begins(self, packet: VideoPacket) -> bool:
        """Return whether decoding can begin at this packet."""
        return bool(packet.is_keyframe) and self.kind == 0

    def _is_coded(self, picture: bytes) -> bool:
        if not self._time_bits:  # the header that tells where the flag is was damaged
            return True
        bits = BitReader(picture)
        bits.read(2)
        while bits.read(1) == 1:  # modulo_time_base
            pass
        bits.read(1 + self._time_bits + 1)
        return bits.read(1) == 1


class MpegRules(PacketRules):
    """MPEG-1 and MPEG-2: decoding begins at an I-picture (ISO 13818-2, 6.3.9)."""

    def begins(self, packet: VideoPacket) -> bool:
        """Return whether decoding can begin at this packet."""
        if not packet.is_keyframe:
            return False
        data = _head(packet)
        at = data.find(b"\x00\x00\x01\x00")
        return 0 <= at < len(data) - 5 and data[at + 5] >> 3 & 7 == 1


class Vp8Rules(PacketRules):
    """VP8: an alternate reference frame is coded but not shown (RFC 6386, 9.1)."""

    def shows(self, packet: VideoPacket) -> bool:
        """Return whether the decoder gives a picture for this packet."""
        return bool(bytes(packet)[0] >> 4 & 1)


class Vp9Rules(PacketRules):
    """VP9: a hidden frame that is not joined with a shown one in a superframe."""

    def shows(self, packet: VideoPacket) -> bool:
        """Return whether the decoder gives a picture for this packet."""
        data = bytes(packet)
        if data[-1] >> 5 == 6:  # the marker of a superframe index
            return True
        bits = BitReader(data[:4])
        bits.read(2)
        profile = bits.read(1) | bits.read(1) << 1
        bits.read(profile == 3)
        if bits.read(1):  # show_existing_frame
            return True
        bits.read(1)
        return bits.read(1) == 1


def packet_rules(stream: VideoStream) -> PacketRules:
    """Return the rules for the packets of a stream."""
    name = stream.codec_context.codec.canonical_name
    if name in INTRA_ONLY_FIRST:
        return FirstPacketRules()
    if name in {"h264", "hevc"}:
        return H26xRules(stream)
    if name == "mpeg4":
        return Mpeg4Rules(stream)
    simple: dict[str, Callable[[], PacketRules]] = {
        "mpeg1video": MpegRules,
        "mpeg2video": MpegRules,
        "vp8": Vp8Rules,
        "vp9": Vp9Rules,
    }
    return simple.get(name, PacketRules)()


class BitReader:
    """Reads bits from the highest of each byte on; past the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data[:64] + bytes(64), "big")
        self._left = 8 * (min(len(data), 64) + 64)

    def read(self, count: int) -> int:
        """Return the next ``count`` bits as a number."""
        self._left = max(0, self._left - count)
        return self._bits >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Return the next Exp-Golomb code (ITU-T H.264, 9.1)."""
        zeros = 0
        while zeros < 32 and self.read(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


def nal_units(data: bytes, length_bytes: int) -> list[bytes]:
    """Return the beginnings of the NAL units in a packet.

    Args:
        data: The packet.
        length_bytes: Size of the length before each unit; 0 if start codes separate them.
    """
    if length_bytes == 0:
        return [data[at + 3 : at + 35] for at in _starts(data, b"\x00\x00\x01")]
    units, at = [], 0
    while at + length_bytes < len(data):
        length = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        units.append(data[at : at + 32])
        at += length
    return units


def _is_random_access_of_hevc(nal: bytes) -> bool | None:
    kind = nal[0] >> 1 & 63 if nal else 63
    return None if kind > 31 else 16 <= kind <= 23


def _head(packet: VideoPacket) -> bytes:
    return bytes(memoryview(packet)[:MAX_PICTURE_HEADER_BYTES])


def _starts(data: bytes, code: bytes) -> list[int]:
    places, at = [], data.find(code)
    while at >= 0:
        places.append(at)
        at = data.find(code, at + 3)
    return places


def _time_bits(data: bytes) -> int:
    """Return the bits of vop_time_increment in a video object layer header; 0 without one."""
    kinds = ((at, data[at + 3 : at + 4]) for at in _starts(data, b"\x00\x00\x01"))
    at = next((at for at, kind in kinds if b"\x20" <= kind <= b"\x2f"), None)
    if at is None:
        return 0
    bits = BitReader(data[at + 4 :])
    bits.read(1 + 8)
    if bits.read(1):
        bits.read(4 + 3)
    if bits.read(4) == 15:
        bits.read(16)
    if bits.read(1):
        bits.read(2 + 1)
        if bits.read(1):
            bits.read(79)
    bits.read(2 + 1)
    return max(1, (bits.read(16) - 1).bit_length())
