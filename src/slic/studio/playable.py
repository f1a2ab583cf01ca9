"""Which video files a browser plays directly; the others are sent as previews."""

from pathlib import Path

import av

MAX_GRID_FILE_BYTES = 6 << 20
_PLAYABLE_PIXEL_FORMATS = ("yuv420p", "yuvj420p")
_PLAYABLE_CONTAINERS = {  # FFmpeg's name of the container: codecs, media type
    "mov,mp4,m4a,3gp,3g2,mj2": (("h264",), "video/mp4"),
    "matroska,webm": (("vp8", "vp9", "av1"), "video/webm"),
}


def playable_media_type(path: Path) -> str | None:
    """Return the media type of a file that every current browser plays.

    Returns:
        ``"video/mp4"`` for H.264 in MP4 or MOV, ``"video/webm"`` for VP8, VP9 or AV1 in WebM, both
        with 8-bit 4:2:0 pixels. None for any other file, and for a file that cannot be read.
    """
    try:
        with av.open(str(path.absolute())) as container:
            codecs, kind = _PLAYABLE_CONTAINERS.get(container.format.name, ((), ""))
            context = container.streams.video[0].codec_context
            # The decoder may be a library ("libvpx-vp9") while the codec is "vp9".
            plays = context.name.removeprefix("lib") in codecs or context.codec.name in codecs
            return kind if plays and context.pix_fmt in _PLAYABLE_PIXEL_FORMATS else None
    except (av.FFmpegError, OSError, IndexError):
        return None


def fits_grid(path: Path) -> bool:
    """Return whether a file is small enough to be played in a grid of many.

    A browser opens six connections to a host. A larger file would occupy one of them for long.
    """
    try:
        return path.stat().st_size <= MAX_GRID_FILE_BYTES
    except OSError:
        return False
