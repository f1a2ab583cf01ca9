"""Opening a video file with FFmpeg (PyAV) and choosing the stream that is the video."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from slic.errors import VideoError
from slic.files import reason_of
from slic.storage import RangeFile, RemotePath

MAX_PIXELS = 8192 * 8192  # of one picture; a decoder takes several times as many bytes
DEFAULT_TRACK_PIXELS = 5_000_000  # what FFmpeg adds for a track flagged as the default one
NO_PROBING = {"codec_whitelist": "none"}  # for what opens the file, not for our decoder
PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD", b"[playlist]")  # how they begin
if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
else:  # the class cannot be subscripted
    VideoPacket = Packet
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@contextmanager
def open_container(path: Path, *, probe: bool = True, file: Any = None) -> Iterator[InputContainer]:
    """Open a video file and close it at the end.

    Args:
        path: The file. It is made absolute, because FFmpeg takes ``a:b.mp4`` for a protocol.
        probe: Decode the first pictures to learn what the container does not tell. Leave it out
            where the timeline is known: for H.264 it takes as long as three pictures.
        file: The opened file, of an object in storage; None opens it.

    Raises:
        VideoError: FFmpeg cannot read the file, what is done with it fails, its name is not UTF-8,
            or it is a playlist, which would give the frames of other files.
    """
    if isinstance(path, RemotePath):
        source = file or open_object(path)
    else:
        refuse_playlists(path)
        source = str(path.absolute())
    try:
        # Titles and comments may be in any encoding.
        options = {} if probe else NO_PROBING
        with av.open(
            source, mode="r", container_options=options, metadata_errors="replace"
        ) as container:
            yield container
    except (OSError, IndexError, ValueError, av.FFmpegError) as error:
        raise VideoError(f"{path}: {error}") from error


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the streams that may be the video, the best one first.

    The order is that of the ``ffmpeg`` command: the most pixels, with a bonus for the default
    track. Cover art, thumbnails and still pictures come last.
    """
    return sorted(
        (stream for stream in container.streams.video if stream.codec_context is not None),
        key=lambda stream: (
            bool(stream.disposition & _NO_FILM),
            stream.frames == 1,
            -_score(stream),
        ),
    )


def _score(stream: VideoStream) -> int:
    bonus = DEFAULT_TRACK_PIXELS if stream.disposition & Disposition.default else 0
    return stream.width * stream.height + bonus


def select_stream(container: InputContainer, stream: VideoStream) -> None:
    """Read only this stream, and decode it in one thread.

    One thread decodes more clips a CPU-second than several; the loader's workers run in parallel.
    """
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all
    stream.thread_type, stream.codec_context.thread_count = "NONE", 1


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    """Give the packets of a stream that hold data, up to the end or to where reading fails."""
    packets = container.demux(stream)
    # PyAV raises IndexError at the end of a file where another stream began later.
    with suppress(av.FFmpegError, IndexError):
        yield from (packet for packet in packets if packet.size)


def is_utf8(path: Path) -> bool:
    """Return whether FFmpeg can take the path."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_playlists(path: Path) -> None:
    """Raise for a file that must not reach FFmpeg.

    Raises:
        VideoError: Its name is not UTF-8, or it is a playlist.
    """
    if not is_utf8(path):
        raise VideoError(f"{path}: its name is not UTF-8; rename it")
    with suppress(OSError), path.open("rb") as file:  # opening it reports a missing file
        _refuse_playlist(path, file.read(16))


def _refuse_playlist(path: Path, head: bytes) -> None:
    if head.lstrip().startswith(PLAYLISTS):
        raise VideoError(f"{path}: a playlist, not a video; give the videos it names")


def open_object(path: RemotePath, expected: Sequence[tuple[int, int]] = ()) -> RangeFile:
    """Open an object for FFmpeg.

    Args:
        path: The object.
        expected: Ascending byte ranges that will be read.

    Raises:
        VideoError: It cannot be read, or is a playlist.
    """
    try:
        file = path.open_ranges(expected)
        _refuse_playlist(path, file.read(16))
        file.seek(0)
        return file
    except OSError as error:
        raise VideoError(f"{path}: {reason_of(error)}") from error
