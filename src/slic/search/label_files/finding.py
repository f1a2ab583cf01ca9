"""Find the video of an index that a file of labels names."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from slic.files import id_of
from slic.search.label_files.base import LabelRow
from slic.search.repository.videos import IndexedVideo


class VideoFinder:
    """Finds videos by content, by path, or by a name that only one video has."""

    def __init__(self, videos: Sequence[IndexedVideo], *, folder: Path) -> None:
        """Prepare the search.

        Args:
            videos: All videos of the index.
            folder: Folder of the file of labels; relative paths may begin there.
        """
        self._folder = folder
        self._by_content = {video.content_id: video for video in videos}
        self._by_path: defaultdict[str, dict[str, IndexedVideo]] = defaultdict(dict)
        self._by_end: defaultdict[str, dict[str, IndexedVideo]] = defaultdict(dict)
        for video in videos:
            for path in {video.path, video.file.as_posix()}:
                self._by_path[path][video.content_id] = video
            for end in _ends(video.file):
                self._by_end[end][video.content_id] = video

    def find(self, row: LabelRow) -> IndexedVideo | None:
        """Return the video of a row, or None if no video or more than one fits."""
        if row.content_id is not None:
            return self._by_content.get(row.content_id)
        places = [self._by_path.get(path) for path in row.paths]
        places += [self._by_path.get(self._absolute(path)) for path in row.paths]
        places += [self._by_end.get(name.strip("/")) for name in row.names]
        return next((_only(videos.values()) for videos in places if videos), None)

    def _absolute(self, path: str) -> str:
        try:
            return id_of(path, self._folder)
        except (OSError, ValueError):
            return path


def _ends(file: Path) -> Iterable[str]:
    """Give all ends of a path, and those without the suffix of the file."""
    path = PurePosixPath(*file.parts)
    for whole in (path, path.with_suffix("")):
        parts = whole.parts
        for start in range(1, len(parts)):
            yield "/".join(parts[start:])


def _only(videos: Iterable[IndexedVideo]) -> IndexedVideo | None:
    """Return the only video; None if there are several of different content."""
    first, *others = videos
    return None if others else first
