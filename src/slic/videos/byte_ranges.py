"""Which bytes of a video file hold the key-frame groups of some frames."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from slic.errors import VideoError
from slic.files import reason_of
from slic.storage import RemotePath, fetch, pinned
from slic.videos.timeline import Timeline
from slic.videos.video import Video

LEAD_BYTES: Final = 2048  # before a key frame: the header of its cluster or chunk
MAX_GAP_SHARE: Final = 0.1  # of what is needed, in gaps that are fetched to save requests
ByteRange = tuple[int, int]


def groups_of_frames(timeline: Timeline, frames: Sequence[int], *, size: int) -> list[ByteRange]:
    """Return first byte and end of the key-frame groups that decoding some frames takes.

    A group is what lies in the file from a key frame to the next one, with the sound in between.

    Args:
        timeline: Packets of the file.
        frames: Ascending frame numbers.
        size: Bytes of the file.

    Returns:
        Ascending ranges that do not overlap; none if the container has no byte positions.
    """
    if not len(frames) or (timeline.positions < 0).any():
        return []
    known = np.asarray([frame for frame in frames if frame < len(timeline.packets)], np.int64)
    packets = timeline.packets[known]
    first = [timeline.key_before(int(packet)) for packet in packets]
    last = np.searchsorted(timeline.keys, packets, side="right") - 1
    keys = {key for a, b in zip(first, last.tolist(), strict=True) for key in range(a, b + 1)}
    edges = np.append(np.sort(timeline.positions), size)
    starts = timeline.positions[sorted(keys)]
    ends = edges[np.searchsorted(edges, starts, side="right")]
    return _joined(sorted(zip(starts.tolist(), ends.tolist(), strict=True)), [])


def ranges_of_frames(timeline: Timeline, frames: Sequence[int], *, size: int) -> list[ByteRange]:
    """Return the byte ranges to fetch for some frames, fewer and longer than the groups.

    The shortest gaps are fetched too, as long as they take `MAX_GAP_SHARE` of the groups. The
    arguments are those of `groups_of_frames`.
    """
    groups = [
        (max(0, start - LEAD_BYTES), end)
        for start, end in groups_of_frames(timeline, frames, size=size)
    ]
    groups = _joined(groups, [])
    spare = MAX_GAP_SHARE * sum(end - start for start, end in groups)
    gaps = sorted((b[0] - a[1], place) for place, (a, b) in enumerate(pairwise(groups)))
    within = np.cumsum([length for length, _ in gaps]) <= spare
    return _joined(groups, [place for (_, place), fits in zip(gaps, within, strict=True) if fits])


def fetch_frames(video: Video, frames: Sequence[int]) -> None:
    """Fetch the bytes of frames of an object into the local cache; of a file, do nothing.

    Raises:
        VideoError: The object cannot be read.
    """
    if not isinstance(video.path, RemotePath) or not video.timeline:
        return
    try:
        path = pinned(video.path)
        for start, end in ranges_of_frames(video.read_timeline(), frames, size=path.known.size):
            fetch(path.address, path.known, start, end)
    except OSError as error:
        raise VideoError(f"{video.path}: {reason_of(error)}") from error


def _joined(ranges: Sequence[ByteRange], over: Sequence[int]) -> list[ByteRange]:
    """Join ascending ranges that touch, and those around the gaps with these numbers."""
    joined: list[ByteRange] = []
    for place, (start, end) in enumerate(ranges):
        if joined and (start <= joined[-1][1] or place - 1 in over):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
