"""What a format of label files is: it writes the labels of an index, and reads rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from slic.search.repository.labels import Label, LabelSource
from slic.videos.video import Video


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """A label that a file gives to a time range of a video.

    Attributes:
        paths: Paths of the video, the best one first: relative to the indexed folder or to that of
            the file, or absolute.
        label: The class name.
        start: Start of the range; None is the start of the video.
        end: End of the range; None is the end of the video.
        unit: ``"seconds"``, or ``"frames"``: frame numbers of the video from 0, ``end`` exclusive.
        confidence: In [0, 1].
        source: ``"given"`` by a person, or ``"spread"`` by a classifier.
        exact: False if the format counts frames, so that times may have moved by half a frame.
        place: Where the row stands in the file, such as ``"line 7"``, for messages.
        names: What else the tool calls the video: a name that may be the end of a path, with or
            without its suffix. It counts if it fits one video of the index.
        content_id: Digest of the content, if the file has it; it is asked before ``paths``.
    """

    paths: tuple[str, ...]
    label: str
    start: float | None
    end: float | None
    place: str
    unit: Literal["seconds", "frames"] = "seconds"
    exact: bool = True
    confidence: float = 1.0
    source: LabelSource = "given"
    names: tuple[str, ...] = ()
    content_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """A video of the index with its labels.

    Attributes:
        path: A path that no other video of the index has: relative to the indexed folder, or
            absolute where several videos have the same relative path.
        video: Its frames, times, size and file.
        labels: Its labelled segments in the order of time; at least one.
    """

    path: str
    video: Video
    labels: Sequence[Label]


@dataclass(frozen=True, kw_only=True)
class IndexLabels:
    """The labels of an index.

    Attributes:
        videos: The videos with labels, in the order of paths. Files of equal content are one video
            each, with equal labels.
        labels: All labelled segments, each once; also those whose content the index does not have.
    """

    videos: Sequence[LabelledVideo]
    labels: Sequence[Label]


@runtime_checkable
class LabelFile(Protocol):
    """A format of label files. A class of yours can be named by its import path.

    Attributes:
        title: What a person calls it.
        suffix: How a file name of this format ends. If it ends in ``.zip``, the format is a folder,
            and `write` and `read` take the path of a folder.
        media_type: Its media type, for downloads.
        keeps: What it keeps of a label, in a few words.
    """

    title: str
    suffix: str
    media_type: str
    keeps: str

    def write(self, labels: IndexLabels, path: Path) -> int:
        """Write a file, or a folder, and return the number of labels in it.

        Raises:
            WriteError: It cannot be written.
        """

    def read(self, path: Path) -> list[LabelRow]:
        """Return the rows of a file, or of a folder.

        Raises:
            ValueError: A row, which the message names, is not valid.
            KeyError, TypeError, IndexError, AttributeError: The file has another structure.
            OSError: The file cannot be read.
        """


def is_folder_format(file: LabelFile) -> bool:
    """Return whether a format is a folder of files."""
    return file.suffix.endswith(".zip")


def frame_range(video: Video, start_seconds: float, end_seconds: float) -> tuple[int, int]:
    """Return the frames of a time range: the first, and the one after the last.

    Start and end move to the nearest time at which a frame begins or ends, so by at most half the
    duration of a frame. The range has at least one frame.

    Example:
        >>> frame_range(video, 1.0, 2.0)  # of 25 frames per second
        (25, 50)
    """
    first = min(nearest_edge(video.edge_seconds, start_seconds), video.frames - 1)
    return first, max(nearest_edge(video.edge_seconds, end_seconds), first + 1)


def nearest_edge(edges: Float[np.ndarray, " edges"], seconds: float) -> int:
    """Return the place of the edge that is nearest to a time; of equal ones, the first."""
    after = min(int(np.searchsorted(edges, seconds)), len(edges) - 1)
    before = max(after - 1, 0)
    return before if seconds - edges[before] <= edges[after] - seconds else after
