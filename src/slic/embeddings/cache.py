"""A cache of video features on disk, so that an interrupted command continues where it stopped."""

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32
from tqdm import tqdm

from slic.arrays import read_arrays
from slic.errors import EmbeddingsError, WriteError
from slic.files import write_atomically
from slic.sealed import DamagedFileError, OtherVersionError, Seal, open_sealed, sealing
from slic.videos.scanning import look_at
from slic.videos.video import Video

FEATURE_CACHE_FORMAT: Final = 2
"""Version of the files of a :class:`FeatureCache`."""

_SEAL: Final = Seal("features", FEATURE_CACHE_FORMAT)

FLUSH_SECONDS = 20.0  # largest amount of work that a killed process loses

_log = logging.getLogger("slic")

VideoFeatures = Float32[np.ndarray, "c d"]
ComputeFeatures = Callable[[Sequence[Video]], Iterable[tuple[int, VideoFeatures]]]


def cached_features(
    videos: Sequence[Video],
    compute: ComputeFeatures,
    *,
    cache: Path | None,
    settings: Mapping[str, object],
    label: str | None,
) -> Float32[np.ndarray, "n c d"]:
    """Return the features of all videos, and compute only those that are not cached.

    Args:
        videos: The videos, at least one.
        compute: Called with the videos that are not cached. Yields, in any order, the position of
            each of them and its features.
        cache: Folder of the caches. None uses no cache.
        settings: Everything that determines the features of a video, as plain values.
        label: Text of the progress bar on stderr. None shows no bar.

    Raises:
        EmbeddingsError: The cache has features of another shape, so it is not one of ours.
    """
    with FeatureCache(cache, settings) if cache else nullcontext() as opened:
        items = _cached_and_computed(videos, compute, opened, label)
        return _stack(len(videos), items, cache=cache)


def _cached_and_computed(
    videos: Sequence[Video],
    compute: ComputeFeatures,
    cache: "FeatureCache | None",
    label: str | None,
) -> Iterator[tuple[int, VideoFeatures]]:
    """Yield the position and features of every video, first those that are cached."""
    missing = dict.fromkeys(range(len(videos)))
    for position, features in cache.load(videos) if cache else ():
        missing.pop(position, None)
        yield position, features
    positions = list(missing)
    with tqdm(
        total=len(videos), initial=len(videos) - len(positions), desc=label, unit="video",
        disable=label is None, leave=False,
    ) as bar:  # fmt: skip
        # Taken before the files are read. If a file is replaced meanwhile, its new state differs
        # and these features are never reused.
        states = [video_state(videos[position]) if cache else "" for position in positions]
        for index, features in compute([videos[i] for i in positions]) if positions else ():
            if cache:
                cache.add(videos[positions[index]], states[index], features)
            yield positions[index], features
            bar.update()


def _stack(
    count: int, items: Iterator[tuple[int, VideoFeatures]], *, cache: Path | None
) -> Float32[np.ndarray, "n c d"]:
    """Return an array of the features at their positions, without a second copy of them."""
    position, features = next(items)
    stacked = np.empty((count, *features.shape), features.dtype)
    stacked[position] = features
    for position, features in items:
        if features.shape != stacked.shape[1:]:
            shapes = f"{stacked.shape[1:]} and {features.shape}"
            raise EmbeddingsError(f"{cache}: features of shapes {shapes}. Delete this cache.")
        stacked[position] = features
    return stacked


class FeatureCache:
    """Features of videos, in files of some videos each. Use it as a context manager.

    Each combination of settings has its own folder, so features of another encoder, layer or clip
    selection are never mixed up. The features of a video are valid while its file keeps its size
    and modification time. Several processes may add to one cache. A cache that cannot be written is
    reported once and does not stop the work.

    Args:
        folder: Folder of the caches.
        settings: Everything that determines the features of a video, as plain values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        text = json.dumps(settings, sort_keys=True, indent=2).encode()
        self.folder = folder / hashlib.sha256(text).hexdigest()[:16]
        self._settings = text
        self._unwritten: list[tuple[str, str, VideoFeatures]] = []
        self._flushed = time.monotonic()
        self._told = False

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def load(self, videos: Sequence[Video]) -> Iterator[tuple[int, VideoFeatures]]:
        """Yield the position and features of every video that has valid features."""
        position_of = {video.id: position for position, video in enumerate(videos)}
        for path in sorted(self.folder.glob("*.features")):
            try:
                stored = _read_cache_file(path)
            except (OSError, DamagedFileError, OtherVersionError) as error:
                _log.warning("%s: skipped, its videos are embedded again (%s)", path, error)
                continue
            for video_id, state, features in stored:
                position = position_of.get(video_id)
                if position is not None and state == video_state(videos[position]):
                    yield position, features

    def add(self, video: Video, state: str, features: VideoFeatures) -> None:
        """Add the features of a video. They are on disk after ``FLUSH_SECONDS`` at most.

        Args:
            video: The video.
            state: Its :func:`video_state` before it was read.
            features: Its features.
        """
        self._unwritten.append((video.id, state, features))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, []
        try:
            self._write(unwritten)
        except WriteError as error:
            if not self._told:
                _log.warning("%s The work goes on; if it stops, it starts again.", error)
            self._told = True

    def _write(self, rows: Sequence[tuple[str, str, VideoFeatures]]) -> None:
        ids, states, features = zip(*rows, strict=True)
        write_atomically(self.folder / "about.json", self._settings)
        path = self.folder / f"{time.time_ns()}-{secrets.token_hex(4)}.features"
        with sealing(path, _SEAL) as file:
            np.savez(
                file,
                ids=np.array(ids),
                states=np.array(states),
                rows=np.stack(features),
            )


def _read_cache_file(path: Path) -> list[tuple[str, str, VideoFeatures]]:
    """Return id, state and features of the videos of one file.

    Raises:
        DamagedFileError: The file is damaged.
        OSError: The file cannot be read.
        OtherVersionError: The file has another format version.
    """
    with open_sealed(path, _SEAL) as file:
        try:
            ids, states, rows = read_arrays(file, "ids", "states", "rows")
        except ValueError as error:
            raise DamagedFileError(str(error)) from error
    kinds = (ids.dtype.kind, states.dtype.kind, str(rows.dtype))
    shapes = (ids.ndim, states.ndim, rows.ndim)
    if kinds != ("U", "U", "float32") or shapes != (1, 1, 3):
        raise DamagedFileError("it holds arrays of another type")
    if not len(ids) == len(states) == len(rows):
        raise DamagedFileError("its arrays have different lengths")
    return list(zip(ids.tolist(), states.tolist(), rows, strict=True))


def video_state(video: Video) -> str:
    """Return a text that changes when the video's file changes: size, time and frame count."""
    found = look_at(video.path, video.id)
    return f"{found.size} {found.mtime_ns} {video.frames}"
