"""Encode frames as a video file, in one of several codecs and containers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from jaxtyping import UInt8


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A codec in a container, with its quality.

    Attributes:
        suffix: Suffix of the file name, with its dot.
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        options: Options of the encoder.
        keyframe_every: Distance of key frames, in frames.
        tag: Four-character code of the codec in an AVI file; None for FFmpeg's default.
        pixels: FFmpeg's name of the pixel format.
    """

    suffix: str
    container: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    keyframe_every: int = 12
    tag: str | None = None
    pixels: str = "yuv420p"


# Suffix, container and codec of the encodings to draw from, with their probabilities.
_DRAWN_FORMATS = (
    (".mp4", "mp4", "libx264"),
    (".mkv", "matroska", "libx264"),
    (".mov", "mov", "libx264"),
    (".avi", "avi", "mpeg4"),
    (".mp4", "mp4", "mpeg4"),
    (".webm", "webm", "libvpx"),
    (".avi", "avi", "mjpeg"),
)
_FORMAT_PROBABILITIES = (0.3, 0.1, 0.1, 0.22, 0.1, 0.1, 0.08)


def draw_encoding(rng: np.random.Generator) -> Encoding:
    """Draw codec, container, quality and distance of key frames.

    Args:
        rng: Source of all draws.
    """
    quality, every = rng.uniform(0, 1), int(rng.integers(12, 31))
    chosen = rng.choice(len(_DRAWN_FORMATS), p=_FORMAT_PROBABILITIES)
    suffix, container, codec = _DRAWN_FORMATS[chosen]
    rate_factor = round(20 + 12 * quality)
    if codec == "libx264":
        preset = ("ultrafast", "superfast", "veryfast")[rng.integers(3)]
        # with mbtree, x264 writes other bytes in each run
        options = {"preset": preset, "crf": str(rate_factor), "x264-params": "mbtree=0"}
        tag, pixels = None, "yuv420p"
    elif codec == "libvpx":
        # a positive cpu-used depends on the clock, and writes other bytes under load
        crf = str(rate_factor - 12)
        options = {"deadline": "realtime", "cpu-used": "-8", "crf": crf, "b": "1500k"}
        tag, pixels = None, "yuv420p"
    elif codec == "mpeg4":
        scale = str(round(2 + 6 * quality))
        options, tag, pixels = {"qmin": scale, "qmax": scale}, "XVID", "yuv420p"
    else:
        scale = str(round(3 + 7 * quality))
        options, tag, pixels = {"qmin": scale, "qmax": scale}, "MJPG", "yuvj420p"
    return Encoding(
        suffix=suffix,
        container=container,
        codec=codec,
        options=options,
        keyframe_every=every,
        tag=tag,
        pixels=pixels,
    )


def write_video(
    path: Path,
    frames: Iterable[UInt8[np.ndarray, "h w 3"]],
    *,
    fps: Fraction,
    size: tuple[int, int],
    encoding: Encoding,
) -> None:
    """Encode RGB frames; equal frames give equal bytes.

    Args:
        path: File to write; its name does not determine the container.
        frames: Frames of equal size.
        fps: Frames per second.
        size: (width, height) of the frames.
        encoding: Codec and container.
    """
    # bitexact omits random ids, dates and version strings
    with av.open(
        str(path), "w", format=encoding.container, container_options={"fflags": "+bitexact"}
    ) as file:
        stream = file.add_stream(encoding.codec, rate=fps, options=encoding.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = encoding.pixels
        context = stream.codec_context
        context.gop_size, context.thread_count = encoding.keyframe_every, 1
        if encoding.tag is not None and encoding.container == "avi":
            context.codec_tag = encoding.tag
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
