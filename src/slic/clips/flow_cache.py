"""Optical flow computed ahead of training, one small file per video."""

import json
import logging
import os
import zlib
from collections import deque
from collections.abc import Iterator
from errno import ENAMETOOLONG
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np
from jaxtyping import Float32

from slic.clips.flow import ClipFlow, FlowMethod, GreyFrame, make_flow_step, to_grey
from slic.clips.spans import Span
from slic.errors import VideoError
from slic.files import atomic_path
from slic.parsing import parse_json
from slic.sealed import DamagedFileError
from slic.videos.frames import stream_frames
from slic.videos.preparing import content_digest
from slic.videos.video import Video

FLOW_CACHE_FORMAT: Final = 2
"""Version of the files of a :class:`FlowCache`."""

MAX_CACHED_MOTION: Final = 0.125
"""Largest motion that a cache stores, as a share of the image height. It includes camera motion."""

MAX_CACHED_BOUND: Final = MAX_CACHED_MOTION * 3 / 4
"""Largest flow bound that cached flow serves: a crop narrows the frame to 3/4 or less."""

_MAX_HEADER_BYTES: Final = 1 << 16
_log = logging.getLogger("slic")


class FlowCache:
    """The optical flow of whole videos, as `slic prepare --flow` writes it.

    A file holds one line of JSON, the byte offsets of the steps (uint64, one more than there are
    steps), a CRC-32 of the offsets (uint32), and the steps. Step i is the flow from frame i to
    frame ``i + stride``, or to the last frame. Each step is u and v as bytes, with 128 for zero
    motion, compressed with zlib, which adds a checksum. The rounding error is at most
    ``MAX_CACHED_MOTION * height / 254`` pixels.

    Only as much of a file is read as a clip needs. What is damaged is computed while loading.

    Args:
        folder: Folder for the caches of a collection. Each method, size and stride has its own
            folder in it.
        method: How the flow is estimated, see :func:`slic.clips.flow.optical_flow`.
        size: (width, height) of the frames, in pixels.
        stride: Distance between the two frames of a step.
    """

    def __init__(
        self, folder: Path, *, method: FlowMethod, size: tuple[int, int], stride: int
    ) -> None:
        self.method = method
        self.size = size
        self.stride = stride
        self.folder = folder / f"{method}-{size[0]}x{size[1]}-stride{stride}"
        self._pixels_per_level = MAX_CACHED_MOTION * size[1] / 127
        self._warned = False

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, video: Video) -> Path:
        """Return the file of a video. It lies in the folder, also if the video's id has ``..``."""
        return self.folder / os.path.normpath(f"/{video.id.lstrip('/')}.flow")[1:]

    def holds(self, video: Video) -> bool:
        """Return whether the cache has the flow of the video as it is now."""
        try:
            with self.path(video).open("rb") as file:
                return self._read_offsets(file, video) is not None
        except (OSError, DamagedFileError, VideoError):
            return False

    def write(self, video: Video) -> int:
        """Compute and store the flow of a video.

        Returns:
            The size of the file, in bytes.

        Raises:
            VideoError: A frame cannot be decoded.
            WriteError: The file cannot be written.
        """
        offsets = np.zeros(video.frames, np.uint64)  # one more than there are steps
        header = json.dumps(self._header(video)).encode() + b"\n"
        with atomic_path(self.path(video)) as temporary, temporary.open("wb") as file:
            file.write(header + offsets.tobytes() + bytes(4))
            for i, step in enumerate(flow_steps(video, self.method, self.size, self.stride)):
                offsets[i] = file.tell()
                file.write(self._compress(step))
            offsets[-1] = file.tell()
            file.seek(len(header))
            table = offsets.tobytes()
            file.write(table + zlib.crc32(table).to_bytes(4, "little"))
        return int(offsets[-1])

    def bytes_a_frame(self, video: Video, *, steps: int = 3) -> float:
        """Estimate the bytes per frame from a few steps in the middle of the video."""
        first = max(0, (video.frames - steps) // 2)
        chosen = range(first, min(video.frames, first + steps))
        frames = stream_frames(video, chosen, size=self.size)
        grey, step = [to_grey(frame) for frame in frames], make_flow_step(self.method)
        sizes = [len(self._compress(step(*pair))) for pair in pairwise(grey)]
        return float(np.mean(sizes)) + 8

    def read(self, video: Video, span: Span) -> ClipFlow | None:
        """Return the flow of a clip, or None if the cache lacks this video as it is now.

        A damaged file is reported and counts as missing.

        Args:
            video: The video.
            span: Frame indices, ``stride`` apart.

        Returns:
            Flow in pixels, the last step repeated as in :func:`slic.clips.flow.optical_flow`.
        """
        (w, h), last_frame = self.size, video.frames - 1
        flow = np.zeros((len(span), h, w, 2), np.float32)
        steps = [(k, int(i)) for k, i in enumerate(span[:-1]) if i < last_frame]
        try:
            with self.path(video).open("rb") as file:
                offsets = self._read_offsets(file, video)
                if offsets is None:
                    return None
                for k, i in steps:
                    file.seek(offsets[i])
                    flow[k] = self._decompress(file.read(offsets[i + 1] - offsets[i]))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DamagedFileError) as error:
            if getattr(error, "errno", None) != ENAMETOOLONG:
                _log.warning(
                    "%s: this cached flow cannot be read (%s) and is computed again. Replace it "
                    "with `slic prepare --flow`.", self.path(video), error,
                )  # fmt: skip
            return None
        if len(flow) > 1:
            flow[-1] = flow[-2]
        return flow

    def _header(self, video: Video) -> dict[str, object]:
        return {
            "slic_flow": FLOW_CACHE_FORMAT,
            "method": self.method,
            "size": [*self.size],
            "range": MAX_CACHED_MOTION,
            "stride": self.stride,
            "video": content_digest(video),
        }

    def _read_offsets(self, file: BinaryIO, video: Video) -> list[int] | None:
        """Return where the steps begin and the last one ends; None if it is other flow.

        Raises:
            DamagedFileError: The offsets are damaged.
        """
        if not self._header_matches(file.readline(_MAX_HEADER_BYTES), video):
            return None
        table, checksum = file.read(8 * video.frames), file.read(4)
        if zlib.crc32(table).to_bytes(4, "little") != checksum:
            raise DamagedFileError("its offsets are damaged")
        offsets: list[int] = np.frombuffer(table, np.uint64).tolist()
        size = os.fstat(file.fileno()).st_size
        if offsets[0] != file.tell() or sorted(offsets) != offsets or offsets[-1] > size:
            raise DamagedFileError("its offsets do not fit the file")
        return offsets

    def _header_matches(self, line: bytes, video: Video) -> bool:
        """Return whether the first line of a file says that its flow is that of the video."""
        try:
            header = parse_json(line)
        except ValueError as error:
            raise DamagedFileError("its first line is damaged") from error
        version = header.get("slic_flow") if isinstance(header, dict) else None
        if version != FLOW_CACHE_FORMAT and not self._warned:
            self._warned = True  # once, not for each of many thousand files
            _log.warning(
                "%s: cached flow has format %s, not %s, and is computed again. Replace it with "
                "`slic prepare --flow`.", self.folder, version, FLOW_CACHE_FORMAT,
            )  # fmt: skip
        return bool(header == self._header(video))

    def _compress(self, step: Float32[np.ndarray, "h w 2"]) -> bytes:
        levels = np.rint(step.transpose(2, 0, 1) / self._pixels_per_level).clip(-127, 127) + 128
        return zlib.compress(levels.astype(np.uint8).tobytes())

    def _decompress(self, data: bytes) -> Float32[np.ndarray, "h w 2"]:
        w, h = self.size
        inflate = zlib.decompressobj()
        try:
            levels = inflate.decompress(data, 2 * h * w)  # a damaged step could grow without bound
        except zlib.error as error:
            raise DamagedFileError("a step is damaged") from error
        if len(levels) != 2 * h * w or not inflate.eof:
            raise DamagedFileError("a step has another size")
        u, v = np.frombuffer(levels, np.uint8).reshape(2, h, w)
        both = np.asarray(cv2.merge([u, v]), np.float32)
        both -= 128
        both *= self._pixels_per_level
        return both


def flow_steps(
    video: Video, method: FlowMethod, size: tuple[int, int], stride: int
) -> Iterator[Float32[np.ndarray, "h w 2"]]:
    """Yield the flow from every frame but the last to the frame ``stride`` later.

    Frames near the end have their flow to the last frame. The video is decoded once, and
    ``stride + 1`` frames are held.
    """
    step = make_flow_step(method)
    recent: deque[GreyFrame] = deque(maxlen=stride + 1)
    for frame in stream_frames(video, range(video.frames), size=size):
        recent.append(to_grey(frame))
        if len(recent) == stride + 1:
            yield step(recent[0], recent[-1])
    if len(recent) == stride + 1:
        recent.popleft()
    while len(recent) > 1:
        yield step(recent.popleft(), recent[-1])
