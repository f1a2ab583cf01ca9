"""What the page plays and shows of indexed videos and uploads, made in worker processes."""

import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from cachetools import LRUCache, TTLCache

from slic.errors import VideoError
from slic.search import IndexedVideo
from slic.studio.opened import FileState, IndexedFiles, OpenedVideo
from slic.studio.previews import (
    PreviewCache,
    encode_preview,
    encode_thumbnail,
    playable_media_types,
)
from slic.studio.uploads import Upload
from slic.studio.worker import LimitError, WorkerPool
from slic.videos.byte_ranges import fetch_frames
from slic.videos.video import Video

PROCESSES: Final = 3
MAX_FILMS_AT_ONCE: Final = 2  # one process is left for pictures, which are quick
MAX_PROCESS_BYTES: Final = 1400 << 20
MAX_THUMBNAIL_SECONDS: Final = 20.0
MAX_PREVIEW_SECONDS: Final = 60.0
FAILURE_SECONDS: Final = 300.0  # until a file that broke a limit is tried again
MAX_FAILURES: Final = 10_000
MAX_MEDIA_TYPES: Final = 100_000
PROBED_AT_ONCE: Final = 32  # files that are open at the same time


class Media:
    """Thumbnails, previews and media types; every method may be called from several threads.

    Args:
        folder: Where the processes write temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self.files = IndexedFiles()
        self.cache = PreviewCache()
        self._pool = WorkerPool(
            PROCESSES,
            max_bytes=MAX_PROCESS_BYTES,
            subject="video",
            folder=folder,
            modules=[encode_preview.__module__],
        )
        self._films = threading.BoundedSemaphore(MAX_FILMS_AT_ONCE)
        self._failures: TTLCache[Hashable, str] = TTLCache(MAX_FAILURES, FAILURE_SECONDS)
        self._types: LRUCache[FileState, str | None] = LRUCache(MAX_MEDIA_TYPES)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start a process, so that the first picture does not wait for it."""
        self._pool.call(MAX_THUMBNAIL_SECONDS, playable_media_types, [])

    def close(self) -> None:
        """End the processes."""
        self._pool.close()

    def thumbnail(self, video: IndexedVideo, *, seconds: float) -> bytes:
        """Return one frame as a WebP picture.

        Raises:
            UnreachableFileError: The file cannot be read.
            ChangedFileError: It is not the file that was indexed.
            VideoError: The frame cannot be decoded within the limits.
        """
        with self.files.open(video) as opened:
            make = partial(self._picture, _at(video.video, opened.address), seconds=seconds)
            key = ("thumbnail", opened.state, round(seconds, 3))
            return self._made_of(video, opened, key, make)

    def preview(self, video: IndexedVideo, *, start_seconds: float, end_seconds: float) -> bytes:
        """Return a span as an H.264 file, see `encode_preview`. It raises what `thumbnail` does."""
        with self.files.open(video) as opened:
            key = ("preview", opened.state, round(start_seconds, 3), round(end_seconds, 3))
            here = _at(video.video, opened.address)
            make = partial(self._film, here, start_seconds=start_seconds, end_seconds=end_seconds)
            return self._made_of(video, opened, key, make)

    def upload_preview(self, upload: Upload) -> bytes:
        """Return an upload as an H.264 file.

        Raises:
            VideoError: It cannot be decoded within the limits.
        """
        key, video = ("upload", upload.key), upload.video
        make = partial(self._film, video, start_seconds=0.0, end_seconds=video.end_seconds)
        try:
            return self.cache.get(key, partial(self._within_limits, key, make))
        except VideoError as error:
            raise type(error)(str(error).replace(str(video.path), "The uploaded video")) from None

    def media_type(self, video: IndexedVideo, opened: OpenedVideo) -> str | None:
        """Return the media type of an opened file if browsers play it, see `playable_media_type`.

        Args:
            video: The video.
            opened: Its file.
        """
        if opened.file is None:
            return None
        with self._lock:
            if opened.state in self._types:
                return self._types[opened.state]
        (found,) = self._probe([opened])
        opened.check_unchanged(video)
        return found

    def media_types(self, videos: Sequence[IndexedVideo]) -> list[str | None]:
        """Return the media types of videos that browsers play; None where the file has changed.

        The content of the files is not compared here, because that would read them all.
        """
        states = [self.files.unchanged_state(video) for video in videos]
        with self._lock:
            known = {
                state: self._types[state] for state in states if state and state in self._types
            }
        unknown = [
            video
            for video, state in zip(videos, states, strict=True)
            if state is not None and state not in known
        ]
        for first in range(0, len(unknown), PROBED_AT_ONCE):
            known.update(self._probe_all(unknown[first : first + PROBED_AT_ONCE]))
        return [None if state is None else known.get(state) for state in states]

    def _probe_all(self, videos: Sequence[IndexedVideo]) -> dict[FileState, str | None]:
        with ExitStack() as files:
            opened = [
                files.enter_context(one)
                for one in map(self.files.open_unread, videos)
                if one is not None
            ]
            return dict(zip((one.state for one in opened), self._probe(opened), strict=True))

    def _probe(self, opened: Sequence[OpenedVideo]) -> list[str | None]:
        """Find the media types of opened files; one that breaks a limit has none."""
        addresses = [one.address for one in opened]
        try:
            found = self._pool.call(MAX_THUMBNAIL_SECONDS, playable_media_types, addresses)
        except LimitError:
            found = [None] if len(opened) == 1 else [self._probe([one])[0] for one in opened]
        with self._lock:
            self._types.update(zip((one.state for one in opened), found, strict=True))
        return found

    def _picture(self, video: Video, *, seconds: float) -> bytes:
        _fetch_span(video, seconds, seconds)
        return self._pool.call(MAX_THUMBNAIL_SECONDS, encode_thumbnail, video, seconds=seconds)

    def _film(self, video: Video, *, start_seconds: float, end_seconds: float) -> bytes:
        _fetch_span(video, start_seconds, end_seconds)
        with self._films:
            return self._pool.call(
                MAX_PREVIEW_SECONDS,
                encode_preview,
                video,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
            )

    def _made_of(
        self, video: IndexedVideo, opened: OpenedVideo, key: Hashable, make: Callable[[], bytes]
    ) -> bytes:
        def checked() -> bytes:
            data = make()
            opened.check_unchanged(video)
            return data

        try:
            return self.cache.get(key, partial(self._within_limits, opened.state, checked))
        except VideoError as error:
            message = str(error).replace(str(opened.address), video.path)
            raise type(error)(message) from None

    def _within_limits(self, file: Hashable, make: Callable[[], bytes]) -> bytes:
        """Make something of a file, unless the file broke a limit shortly before."""
        with self._lock:
            if (reason := self._failures.get(file)) is not None:
                raise LimitError(reason)
        try:
            return make()
        except LimitError as error:
            with self._lock:
                self._failures[file] = str(error)
            raise


def _fetch_span(video: Video, start_seconds: float, end_seconds: float) -> None:
    """Fetch what a span of an object takes into the local cache, outside of any time limit."""
    first, last = video.frame_at(start_seconds), video.frame_at(end_seconds)
    fetch_frames(video, range(first, last + 1))


def _at(video: Video, address: Path) -> Video:
    return replace(video, path=address)
