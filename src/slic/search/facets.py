"""What the moments of an index can be filtered by: folders with counts, and lengths of videos."""

from collections.abc import Sequence
from typing import NamedTuple

from slic.search.index import Index
from slic.search.repository.videos import select_extents


class VideoExtent(NamedTuple):
    """How much of an index a video is.

    Attributes:
        path: Path relative to the folder of its collection.
        seconds: Length of the video.
        moments: Number of its moments.
    """

    path: str
    seconds: float
    moments: int


class FolderCount(NamedTuple):
    """A folder below another one.

    Attributes:
        path: Path that ends with a slash.
        videos: Number of the videos in it, at any depth.
        moments: Number of their moments.
    """

    path: str
    videos: int
    moments: int


def video_extents(index: Index) -> list[VideoExtent]:
    """Return path, length and number of moments of every video, in the order of paths."""
    return [VideoExtent(*row) for row in index.database.read(select_extents)]


def folders_below(extents: Sequence[VideoExtent], folder: str = "") -> list[FolderCount]:
    """Return the folders directly below a folder, in the order of their paths.

    Args:
        extents: The videos, see `video_extents`.
        folder: Path of the folder that ends with a slash; empty for that of the collection.

    Example:
        >>> folders_below([VideoExtent("a/b/c.mp4", 3.0, 2), VideoExtent("d.mp4", 2.0, 1)])
        [FolderCount(path='a/', videos=1, moments=2)]
    """
    counts: dict[str, tuple[int, int]] = {}
    for path, _, moments in extents:
        end = path.find("/", len(folder)) + 1
        if end and path.startswith(folder):
            videos, total = counts.get(path[:end], (0, 0))
            counts[path[:end]] = videos + 1, total + moments
    return [FolderCount(path, *counts[path]) for path in sorted(counts)]


def common_folder(extents: Sequence[VideoExtent]) -> str:
    """Return the deepest folder that has all videos: empty, or with a slash at its end."""
    folder = ""
    while len(inside := folders_below(extents, folder)) == 1 and inside[0].videos == len(extents):
        folder = inside[0].path
    return folder
