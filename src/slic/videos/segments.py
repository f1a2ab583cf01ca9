"""Segments: stretches of long recordings, each a video of its own. No file is written."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from slic.arguments import require
from slic.videos.video import Video

MIN_SECONDS = 0.1  # of a segment and between two; ids have milliseconds
_SUFFIX = re.compile(r"#t=[\d.]+,[\d.]+$")


@dataclass(frozen=True, kw_only=True)
class Segment(Video):
    """A stretch of a recording: its frames with presentation times from start to end, without it.

    It is a `Video` of fewer frames: its frame 0 is the first frame of the stretch, and its times
    are those of the recording. Its id is a media fragment, such as ``door.mp4#t=8,12`` (W3C Media
    Fragments URI 1.0, in seconds).

    Attributes:
        recording: The video that it is cut from.
        first: Number of its first frame in the recording.
        until_seconds: When its last frame ends at the latest.
    """

    recording: Video = field(repr=False)
    first: int
    until_seconds: float

    @property
    def edge_seconds(self) -> Float[np.ndarray, " edges"]:
        """Times when frames start, and when the last one ends: one more than frames."""
        within = slice(self.first, self.first + self.frames + 1)
        edges: Float[np.ndarray, " edges"] = self.recording.edge_seconds[within]
        return np.asarray(np.minimum(edges, self.until_seconds), np.float64)

    @property
    def whole(self) -> Video:
        """The recording. Whether its readings fail at once is that of the segment."""
        return replace(self.recording, set_aside=self.set_aside)

    def in_whole(self, frames: Sequence[int]) -> list[int]:
        """Return the numbers in the recording of frames of the segment.

        Those past the end give the last frame of the segment.
        """
        return [self.first + min(int(frame), self.frames - 1) for frame in frames]


def cut(video: Video, seconds: float, *, stride: float | None = None) -> Iterator[Segment]:
    """Give the segments of a video, see `slic.videos.catalog.Catalog.segments`.

    Raises:
        RecipeError: ``seconds`` or ``stride`` is too small or not finite.
    """
    step = seconds if stride is None else stride
    for name, value in (("seconds", seconds), ("stride", step)):
        require(MIN_SECONDS <= value < math.inf, name, value, f"at least {MIN_SECONDS:g} seconds")
    whole, edges = video.whole, video.edge_seconds
    for start, until in _ranges(float(edges[0]), float(edges[-1]), seconds, step):
        first, last = np.searchsorted(edges[:-1], np.array([start, until]) - 1e-6).tolist()
        if last - first >= 2:  # one frame shows no motion, and a gap has none
            known = {name: getattr(video, name) for name in ("path", "fps", "width", "height")}
            yield Segment(
                id=f"{whole.id}#t={_as_text(start)},{_as_text(until)}",
                frames=last - first,
                set_aside=video.set_aside,
                recording=whole,
                first=int(video.in_whole([first])[0]),
                until_seconds=until,
                **known,
            )


def file_id(video_id: str) -> str:
    """Return the id of the file that a segment is cut from; another id is returned as it is."""
    return _SUFFIX.sub("", video_id)


def _ranges(
    start: float, end: float, seconds: float, stride: float
) -> Iterator[tuple[float, float]]:
    """Give start and end of each segment; a rest of less than half a segment joins the last one."""
    count = max(1, math.floor((end - start - seconds / 2) / stride + 1e-6) + 1)
    for number in range(count):
        begin = start + number * stride
        until = min(begin + seconds, end)
        rest = end - until
        yield begin, end if number == count - 1 and rest < seconds / 2 - 1e-6 else until


def _as_text(seconds: float) -> str:
    """Return seconds with up to three decimals."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
