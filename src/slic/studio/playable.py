"""Which files a browser plays as they are; the others are shown as films made for the page."""

from pathlib import Path

import av

LIGHT_BYTES = 6 << 20  # a larger file would keep a connection, of which a browser has six
_PIXELS = ("yuv420p", "yuvj420p")
_KINDS = {  # container as FFmpeg names it: codecs, and the type told to the browser
    "mov,mp4,m4a,3gp,3g2,mj2": (("h264",), "video/mp4"),
    "matroska,webm": (("vp8", "vp9", "av1"), "video/webm"),
}


def media_type(path: Path) -> str | None:
    """Return the type of a file that every current browser plays, or None."""
    try:
        with av.open(str(path.absolute())) as container:
            codecs, told = _KINDS.get(container.format.name, ((), ""))
            context = container.streams.video[0].codec_context
            plays = context.name.removeprefix("lib") in codecs or context.codec.name in codecs
            return told if plays and context.pix_fmt in _PIXELS else None
    except (av.FFmpegError, OSError, IndexError):
        return None


def is_light(path: Path) -> bool:
    """Tell whether a file is small enough for a grid to play many of its kind at once."""
    try:
        return path.stat().st_size <= LIGHT_BYTES
    except OSError:
        return False
