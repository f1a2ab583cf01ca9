"""TorchCodec, used when it is installed and works, and only where it is known to count as we do.

Measured on MPEG-4 with B-frames in AVI, TorchCodec starts one frame off, so containers other than
MP4 and Matroska are left to OpenCV; so is a video whose count of frames or size it sees otherwise.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
from typing import Any

import numpy as np
from jaxtyping import UInt8

from slic.videos.video import Video

TRUSTED_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
OLDEST = (0, 11)  # the first release that turns frames as their rotation flag says


@functools.cache
def why_unusable() -> str | None:
    """Return why TorchCodec cannot be used here, or None when it can; looked at once a process."""
    if importlib.util.find_spec("torchcodec") is None:
        return "it is not installed"
    version = importlib.metadata.version("torchcodec")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return f"version {version} ignores rotation flags; 0.11 or later is needed"
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError) as error:  # beside a CPU-only torch, or no FFmpeg
        return f"it does not import ({str(error).strip().splitlines()[0]})"
    return None


def read(video: Video, places: list[int]) -> UInt8[np.ndarray, "t h w 3"] | None:
    """Return the frames at ``places`` as RGB, or None where TorchCodec is not to be trusted."""
    if video.path.suffix.lower() not in TRUSTED_SUFFIXES or video.path.is_dir():
        return None
    decoders: Any = importlib.import_module("torchcodec.decoders")
    try:
        decoder = decoders.VideoDecoder(
            str(video.path.absolute()),
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            seek_mode="exact",
        )
        if len(decoder) != video.frames:
            return None
        frames: np.ndarray = decoder.get_frames_at(indices=places).data.numpy()
    except (RuntimeError, ValueError, IndexError):  # OpenCV will read it, or say what is wrong
        return None
    return frames if frames.shape[1:] == (video.height, video.width, 3) else None
