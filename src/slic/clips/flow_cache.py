"""Flow that `slic prepare --flow` computed ahead of training: one small file a video."""

import json
import os
import zlib
from collections import deque
from collections.abc import Iterator
from errno import ENAMETOOLONG, ENOENT
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from slic.clips.flow import FlowMethod, flow_step, to_grey
from slic.errors import VideoError
from slic.files import atomic_path
from slic.videos.frames import stream_frames
from slic.videos.preparing import fingerprint
from slic.videos.video import Video

RANGE: Final = 0.125
"""The largest motion that our files keep, in picture heights: a level is 1/127 of it.

A crop is narrowed by 3/4 at most, so a look draws no more of it up to a bound of `LARGEST_BOUND`.
The camera's motion counts too, even where it is taken off the flow afterwards.
"""
LARGEST_BOUND: Final = RANGE * 3 / 4


class FlowCache:
    """One file a video with the flow of all its frames, written by `slic prepare --flow`.

    A file is a line of JSON, the places of its steps (unsigned 64-bit, one more than steps), and
    the steps: u and v as bytes, 128 for rest, each step compressed by zlib on its own. Step i goes
    from frame i to frame i + stride, or to the last. The rounding is at most half a level,
    ``RANGE * height / 254`` pixels.

    Args:
        folder: Of all caches of a collection; each method, size and stride has its own in it.
        method: That computes the flow.
        size: (width, height) of the frames it is computed on.
        stride: Frames from the first to the second picture of a step.
    """

    def __init__(
        self, folder: Path, *, method: FlowMethod, size: tuple[int, int], stride: int
    ) -> None:
        self.method = method
        self.size = size
        self.stride = stride
        self.folder = folder / f"{method}-{size[0]}x{size[1]}-stride{stride}"
        self._pixels_a_level = RANGE * size[1] / 127

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, video: Video) -> Path:
        """Return where a video's flow lies: in the folder, also of a video outside the root."""
        return self.folder / os.path.normpath(f"/{video.id.lstrip('/')}.flow")[1:]

    def holds(self, video: Video) -> bool:
        """Tell whether the flow of this very video is there."""
        try:
            with self.path(video).open("rb") as file:
                return bool(json.loads(file.readline()) == self._about(video))
        except (OSError, ValueError, VideoError):
            return False

    def write(self, video: Video) -> int:
        """Compute and keep the flow of a video; return the bytes written.

        Raises:
            VideoError: A frame does not decode.
            WriteError: The file cannot be written.
        """
        places = np.zeros(video.frames, np.uint64)  # one more than there are steps
        about = json.dumps(self._about(video)).encode() + b"\n"
        with atomic_path(self.path(video)) as temporary, temporary.open("wb") as file:
            file.write(about + places.tobytes())
            for i, step in enumerate(flow_steps(video, self.method, self.size, self.stride)):
                places[i] = file.tell()
                file.write(self._packed(step))
            places[-1] = file.tell()
            file.seek(len(about))
            file.write(places.tobytes())
        return int(places[-1])

    def bytes_a_frame(self, video: Video, *, steps: int = 3) -> float:
        """Return about how much a frame's flow takes, from a few steps in the middle."""
        first = max(0, (video.frames - steps) // 2)
        frames = stream_frames(
            video, range(first, min(video.frames, first + steps)), size=self.size
        )
        grey, solver = [to_grey(frame) for frame in frames], flow_step(self.method)
        sizes = [len(self._packed(solver(*pair))) for pair in pairwise(grey)]
        return float(np.mean(sizes)) + 8

    def read(
        self, video: Video, span: Int[np.ndarray, " t"]
    ) -> Float32[np.ndarray, "t h w 2"] | None:
        """Return the flow of a clip, its last step repeated as in `optical_flow`."""
        (w, h), still = self.size, video.frames - 1
        flow = np.zeros((len(span), h, w, 2), np.float32)
        wanted = [(k, int(i)) for k, i in enumerate(span[:-1]) if i < still]
        try:
            with self.path(video).open("rb") as file:
                if json.loads(file.readline()) != self._about(video):
                    return None
                table = file.tell()
                for k, i in wanted:
                    file.seek(table + 8 * i)
                    start, end = np.frombuffer(file.read(16), np.uint64).tolist()
                    file.seek(start)
                    flow[k] = self._unpacked(file.read(end - start))
        except (OSError, ValueError, zlib.error) as error:
            if getattr(error, "errno", None) in (ENOENT, ENAMETOOLONG):
                return None
            raise VideoError(
                f"{self.path(video)}: this flow cannot be read ({error}); delete it and run "
                "`slic prepare --flow` again."
            ) from error
        if len(flow) > 1:
            flow[-1] = flow[-2]
        return flow

    def _about(self, video: Video) -> dict[str, object]:
        about = {"slic_flow": 1, "method": self.method, "size": [*self.size], "range": RANGE}
        return about | {"stride": self.stride, "video": fingerprint(video)}

    def _packed(self, step: Float32[np.ndarray, "h w 2"]) -> bytes:
        levels = np.rint(step.transpose(2, 0, 1) / self._pixels_a_level).clip(-127, 127) + 128
        return zlib.compress(levels.astype(np.uint8).tobytes())

    def _unpacked(self, data: bytes) -> Float32[np.ndarray, "h w 2"]:
        w, h = self.size
        u, v = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, h, w)
        both = np.asarray(cv2.merge([u, v]), np.float32)
        both -= 128
        both *= self._pixels_a_level
        return both


def flow_steps(
    video: Video, method: FlowMethod, size: tuple[int, int], stride: int
) -> Iterator[Float32[np.ndarray, "h w 2"]]:
    """Give the flow from every frame but the last to the one ``stride`` later, or to the last.

    The video is decoded once and ``stride + 1`` frames are held.
    """
    step = flow_step(method)
    recent: deque[UInt8[np.ndarray, "h w"]] = deque(maxlen=stride + 1)
    for frame in stream_frames(video, range(video.frames), size=size):
        recent.append(to_grey(frame))
        if len(recent) == stride + 1:
            yield step(recent[0], recent[-1])
    if len(recent) == stride + 1:
        recent.popleft()
    while len(recent) > 1:
        yield step(recent.popleft(), recent[-1])
