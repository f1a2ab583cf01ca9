"""Finding out about one video by decoding all of it once, or why it cannot be used."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any
from zlib import crc32

import cv2
import numpy as np

from slic.errors import VideoError
from slic.files import reason_of
from slic.videos import frame_folder, stamped
from slic.videos.capture import PYAV_ALONE, Shown, codec, is_utf8, opened, shown
from slic.videos.video import Video

JUMP_OVERHEAD_FRAMES = 16  # OpenCV goes back this far before it looks for a key frame
CHECKED_JUMPS = 3  # places where jumping is compared with reading from the start
HEAD = 256  # bytes that tell what a file is
LARGEST_FPS = 1000.0  # above it, the header tells the clock of the container and not the rate

_CONTAINERS = {  # where and how the usual containers begin
    "MP4": (4, b"ftyp"),
    "AVI": (0, b"RIFF"),
    "Matroska": (0, b"\x1a\x45\xdf\xa3"),
    "GIF": (0, b"GIF8"),
    "MPEG": (0, b"\x00\x00\x01\xba"),
    "FLV": (0, b"FLV"),
    "WMV": (0, b"\x30\x26\xb2\x75"),
    "Ogg": (0, b"OggS"),
}
# In MPEG program streams some jumps land two or three frames off and others do not.
JUMPABLE = frozenset({"MP4", "AVI", "Matroska", "GIF"})
STAMPED = frozenset({"MP4", "Matroska"})  # AVI stores no time stamps
COUNTED = frozenset({"MP4", "AVI"})  # these store their number of frames; others estimate it

_log = logging.getLogger("slic")


def probe(path: Path, id: str) -> Video:  # noqa: A002 (the word of the whole package)
    """Decode a video once from end to end and return what was found.

    Args:
        path: A video file, or a folder of numbered frames.
        id: Its name in the catalog.

    Raises:
        VideoError: It cannot be used; the message is the path, a colon and the reason.
            It is raised from the ``OSError`` when the file system is what refused it.
    """
    try:
        if path.is_dir():
            return _probe_folder(path, id)
        if not S_ISREG(path.stat().st_mode):  # to open a pipe would wait for ever
            raise VideoError(f"{path}: neither a file nor a folder")
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise VideoError(f"{path}: {reason_of(error)}") from error
    if not head:
        raise VideoError(f"{path}: the file is empty")
    try:
        with opened(path) as capture:
            seen = _read_through(path, capture, interlaced=(interlaced := stamped.interlaced(path)))
    except VideoError:
        raise VideoError(f"{path}: {_why_unopened(path, head)}") from None
    if seen.frames < 2:
        raise VideoError(f"{path}: {_why_too_few(seen)}")
    container = _container(head)
    if container in COUNTED and seen.frames < 0.9 * seen.told_frames:
        _log.warning("%s: only %d of %d frames decode", path, seen.frames, seen.told_frames)
    by_stamps = container in STAMPED and _stamps_agree(path, seen)
    by_number = container in JUMPABLE and _jumps_agree(path, seen)
    seekable = by_stamps if interlaced or seen.codec in PYAV_ALONE else by_number
    return Video(
        id=id,
        path=path,
        frames=seen.frames,
        fps=seen.fps,
        width=seen.width,
        height=seen.height,
        seekable=seekable,
        keyframe_gap=seen.keyframe_gap,
        stamped=seekable and by_stamps,
        interlaced=interlaced,
    )


def _probe_folder(path: Path, id: str) -> Video:  # noqa: A002
    paths = frame_folder.frame_paths(path)
    if len(paths) < 2:
        raise VideoError(f"{path}: no two numbered frames in this folder")
    width, height = frame_folder.check_frames(paths)
    return Video(
        id=id,
        path=path,
        frames=len(paths),
        fps=frame_folder.FRAMES_PER_SECOND,
        width=width,
        height=height,
        seekable=True,
        keyframe_gap=1,
    )


@dataclass
class _Seen:
    """What one reading from the start showed.

    Attributes:
        seconds: From the first frame to the last.
        even: Frames whose time stamps are those of a constant rate, from the start; jumping by
            number relies on them.
        marks: Checksums of some frames, by number, at odd places spread over the video.
    """

    frames: int = 0
    told_frames: int = 0
    seconds: float = 0.0
    fps: float = frame_folder.FRAMES_PER_SECOND
    width: int = 0
    height: int = 0
    even: int = 0
    keyframe_gap: int = 1
    codec: str = ""
    marks: dict[int, int] = field(default_factory=dict)


def _read_through(path: Path, capture: cv2.VideoCapture, *, interlaced: bool) -> _Seen:
    """Decode every frame, with PyAV where OpenCV does not know the codec or shows other frames."""
    fps, name = capture.get(cv2.CAP_PROP_FPS), codec(capture)
    by_pyav = interlaced or name in PYAV_ALONE
    frames = stamped.shown(path, fps=fps or 1.0) if by_pyav else shown(capture)
    seen = _look_at(frames, fps)
    seen.fps = _frame_rate(fps, seen.frames, seen.seconds)
    seen.codec, seen.told_frames = name, round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return seen


def _look_at(frames: Iterable[Shown], fps: float) -> _Seen:
    """Go through all frames, converting only the first and the few whose checksums are kept."""
    seen, every = _Seen(), 8
    first: Shown | None = None
    last_key = 0
    for frame in frames:
        first = first or frame
        if seen.frames == 0 or (seen.frames + 1) % every == 0:
            picture = frame.picture()
            if picture is None:
                break
            seen.marks[seen.frames] = _checksum(picture)
            if seen.frames == 0:
                seen.height, seen.width = picture.shape[:2]
        if len(seen.marks) > 4 * CHECKED_JUMPS:
            every *= 2
            seen.marks = {i: mark for i, mark in seen.marks.items() if (i + 1) % every == 0}
        if frame.key:
            last_key = seen.frames
        seen.keyframe_gap = max(seen.keyframe_gap, seen.frames + 1 - last_key)
        seen.seconds = frame.seconds - first.seconds
        # OpenCV's stamps are rounded from zero, what a jump goes by from the first frame.
        numbers = {round(frame.stamp - first.stamp), round(seen.seconds * fps), seen.frames}
        if len(numbers) == 1 and seen.even == seen.frames:
            seen.even += 1
        seen.frames += 1
    return seen


def _checksum(frame: Any) -> int:
    return crc32(np.ascontiguousarray(frame).data)


def _frame_rate(told: float, frames: int, seconds: float) -> float:
    """Return the rate the container tells, or the mean of the time stamps, or the usual one."""
    if 0 < told <= LARGEST_FPS:
        return told
    measured = (frames - 1) / seconds if seconds > 0 else 0.0
    return measured if 0 < measured <= LARGEST_FPS else frame_folder.FRAMES_PER_SECOND


def _jumps_agree(path: Path, seen: _Seen) -> bool:
    """Tell whether jumping, forwards and back, gives the frames that were seen before."""
    places = _checked_places(seen)
    # A jump goes by the stamp of a frame this far ahead of its goal and counts from there; AVI
    # files with B-frames have no stamps at their very end.
    even = seen.even + JUMP_OVERHEAD_FRAMES >= seen.frames
    if not even or seen.told_frames < seen.frames or not places:
        return False  # OpenCV does not jump past the told count; a short video needs no jump
    with opened(path) as capture:
        for place in reversed(places):
            capture.set(cv2.CAP_PROP_POS_FRAMES, place)
            if capture.get(cv2.CAP_PROP_POS_FRAMES) != place:
                return False
            decoded, frame = capture.read()
            if not decoded or _checksum(frame) != seen.marks[place]:
                return False
    return True


def _stamps_agree(path: Path, seen: _Seen) -> bool:
    """Tell whether PyAV finds by time stamps, bit by bit, the frames that were seen before."""
    places = _checked_places(seen)
    if seen.even < seen.frames or not places:
        return False
    try:
        frames = list(stamped.read(path, places, fps=seen.fps))
    except VideoError:
        return False
    return [_checksum(frame) for frame in frames] == [seen.marks[place] for place in places]


def _checked_places(seen: _Seen) -> list[int]:
    """Return some places whose frames are known, spread over the video."""
    places = sorted(place for place in seen.marks if place > 0)
    return places[:: max(1, len(places) // CHECKED_JUMPS)][-CHECKED_JUMPS:]


def _why_too_few(seen: _Seen) -> str:
    """Say why there is no motion to learn from."""
    if seen.frames:
        return "only one frame, so no motion"
    codec = f" ({seen.codec})" if seen.codec else ""
    return f"no frame could be decoded: it is damaged, or its codec is not known{codec}"


def _container(head: bytes) -> str | None:
    """Return the container that a file begins as."""
    starts = (name for name, (at, magic) in _CONTAINERS.items() if head[at:].startswith(magic))
    return next(starts, "MPEG-TS" if is_transport_stream(head) else None)


def is_transport_stream(head: bytes) -> bool:
    """Tell whether a file begins with packets of 188 bytes, a G the first of each, or of 192."""
    return any(head[at : at + 1] == head[at + 188 + at : at + 189 + at] == b"G" for at in (0, 4))


def _why_unopened(path: Path, head: bytes) -> str:
    """Say in plain words why FFmpeg did not take a file for a video."""
    if not is_utf8(path):
        return "its name is not UTF-8; rename it"
    container = _container(head)
    if container is None:
        return "not a video file, whatever its name says"
    if container == "MP4" and not _has_index(path):
        return "cut off or never finished (its index, the moov atom, is missing)"
    return f"a damaged {container} file, or one without a video track"


def _has_index(path: Path) -> bool:
    """Walk the boxes of an MP4 file and tell whether the moov box is there in full."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = 0
        while start + 8 <= size:
            file.seek(start)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the length follows in 64 bits
                length = int.from_bytes(head[8:16], "big")
            if head[4:8] == b"moov":
                return start + length <= size
            if length < 8:  # 0: this box runs to the end of the file
                return False
            start += length
    return False
