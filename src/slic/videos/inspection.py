"""Inspecting one video: its description, or the reason why it cannot be used."""

import logging
from pathlib import Path
from stat import S_ISREG

import numpy as np

from slic.errors import VideoError
from slic.files import reason_of
from slic.videos import frame_folder
from slic.videos.container import is_utf8, refuse_playlists
from slic.videos.packets import Reading, read_timeline
from slic.videos.video import Video

HEAD_BYTES = 256  # at the beginning of a file; they tell what it is
MAX_FPS = 1000.0  # above it, the header gives the clock of the container and not the rate
MIN_SHARE = 0.9  # of the declared frames; with fewer the file is cut off
SAME_RATE = 0.001  # how far a declared rate may be from the measured one

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

_log = logging.getLogger("slic")


def inspect_video(path: Path, id: str) -> Video:  # noqa: A002 (the word of the whole package)
    """Read the packets of a video and return its description; only the first picture is decoded.

    Args:
        path: A video file, or a folder of numbered pictures.
        id: Its name in the catalog.

    Raises:
        VideoError: It cannot be used; the message is the path, a colon and the reason.
            It is raised from the ``OSError`` if the file system refused it.
    """
    try:
        if frame_folder.is_picture_clip(path):
            return _inspect_folder(path, id)
        if not S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise VideoError(f"{path}: neither a file nor a folder")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise VideoError(f"{path}: {reason_of(error)}") from error
    if not head:
        raise VideoError(f"{path}: the file is empty")
    try:
        refuse_playlists(path)
        reading = read_timeline(path)
    except VideoError as error:
        if ": [Errno" in str(error):  # FFmpeg's words for a file that it does not open
            raise VideoError(f"{path}: {_reason_unopened(path, head)}") from None
        raise
    frames = len(reading.timeline.packets)
    if len(reading.timeline.stamps) < MIN_SHARE * reading.declared_frames:
        _log.warning("%s: has only %d of %d frames", path, frames, reading.declared_frames)
    if frames < 2:
        raise VideoError(f"{path}: only one frame, so no motion")
    return Video(
        id=id,
        path=path,
        frames=frames,
        fps=_frame_rate(reading),
        width=reading.width,
        height=reading.height,
        timeline=reading.timeline.packed(),
    )


def _inspect_folder(path: Path, id: str) -> Video:  # noqa: A002
    paths = frame_folder.frame_paths(path)
    if len(paths) < 2:
        raise VideoError(f"{path}: no two numbered frames in this folder")
    width, height = frame_folder.check_frames(paths)
    frame_folder.report_gaps(path, paths)
    return Video(
        id=id,
        path=path,
        frames=len(paths),
        fps=frame_folder.FRAMES_PER_SECOND,
        width=width,
        height=height,
    )


def _frame_rate(reading: Reading) -> float:
    """Return the mean rate of the presentation times; the declared one if it is the same."""
    seconds = reading.timeline.seconds
    steps = np.diff(seconds)
    duration = float(seconds[-1] - seconds[0] + np.median(steps))
    measured = len(seconds) / duration if duration > 0 else frame_folder.FRAMES_PER_SECOND
    same = abs(reading.fps - measured) <= SAME_RATE * measured
    return reading.fps if same else min(measured, MAX_FPS)


def _container(head: bytes) -> str | None:
    """Return the container that a file begins as."""
    starts = (name for name, (at, magic) in _CONTAINERS.items() if head[at:].startswith(magic))
    return next(starts, "MPEG-TS" if is_transport_stream(head) else None)


def is_transport_stream(head: bytes) -> bool:
    """Tell whether a file begins with packets of 188 bytes, a G the first of each, or of 192."""
    return any(head[at : at + 1] == head[at + 188 + at : at + 189 + at] == b"G" for at in (0, 4))


def _reason_unopened(path: Path, head: bytes) -> str:
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
