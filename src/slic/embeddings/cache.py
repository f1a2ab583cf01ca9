"""What was embedded already, on disk, so that a killed command goes on where it was."""

import hashlib
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32
from tqdm import tqdm

from slic.files import atomic_path, write_atomically
from slic.videos.scanning import look_at
from slic.videos.video import Video

FLUSH_SECONDS = 20.0  # what a kill can cost
_log = logging.getLogger("slic")

Row = Float32[np.ndarray, "c d"]
Make = Callable[[Sequence[Video]], Iterable[tuple[int, Row]]]


def cached_rows(
    videos: Sequence[Video],
    make: Make,
    *,
    cache: Path | None,
    made_by: Mapping[str, object],
    bar: str | None,
) -> Float32[np.ndarray, "n c d"]:
    """Return the features of all videos, making those that are not in the cache.

    Args:
        videos: At least one.
        make: Gives the places and the features, in any order, of the videos it is called with.
        cache: Folder of caches; None for none.
        made_by: Everything that decides what the features of a video are.
        bar: What the bar on stderr says; None for no bar.
    """
    with FeatureCache(cache, made_by) if cache else nullcontext() as kept:
        return _filled(len(videos), _kept_and_made(videos, make, kept=kept, bar=bar))


def _kept_and_made(
    videos: Sequence[Video], make: Make, *, kept: "FeatureCache | None", bar: str | None
) -> Iterator[tuple[int, Row]]:
    """Give every video's place and features: first those of the cache, then the others."""
    missing = dict.fromkeys(range(len(videos)))
    for place, row in kept.rows(videos) if kept else ():
        missing.pop(place, None)
        yield place, row
    places = list(missing)
    with tqdm(
        total=len(videos), initial=len(videos) - len(places), desc=bar, unit="video",
        disable=bar is None, file=sys.stderr, leave=False,
    ) as shown:  # fmt: skip
        # Before they are read: of a file that is replaced meanwhile, nothing is kept.
        states = [video_state(videos[place]) if kept else "" for place in places]
        for index, row in make([videos[place] for place in places]) if places else ():
            if kept:
                kept.add(videos[places[index]], states[index], row)
            yield places[index], row
            shown.update()


def _filled(count: int, rows: Iterator[tuple[int, Row]]) -> Float32[np.ndarray, "n c d"]:
    """Return a table of the rows at their places, which holds each of them once."""
    place, row = next(rows)
    table = np.empty((count, *row.shape), row.dtype)
    table[place] = row
    for place, row in rows:
        table[place] = row
    return table


class FeatureCache:
    """Features of videos in chunk files, each written whole; used as a context, none is lost.

    The files lie in a folder of their own for each ``made_by``, so features of another encoder,
    layer or way of placing clips are never mixed up. A video's features count while its file has
    the size and time of change that it had. Several processes may add to a cache at a time.

    Args:
        folder: Where caches lie.
        made_by: Everything that decides what the features of a video are.
    """

    def __init__(self, folder: Path, made_by: Mapping[str, object]) -> None:
        about = json.dumps(made_by, sort_keys=True, indent=2)
        self.folder = folder / hashlib.sha256(about.encode()).hexdigest()[:16]
        self._about = about.encode()
        self._fresh: list[tuple[str, str, Row]] = []
        self._flushed = time.monotonic()

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()

    def rows(self, videos: Sequence[Video]) -> Iterator[tuple[int, Row]]:
        """Give the place and the features of every video that has some."""
        wanted = {video.id: index for index, video in enumerate(videos)}
        for chunk in sorted(self.folder.glob("*.npz")):
            try:
                with chunk.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                    ids, states, rows = (stored[name] for name in ("ids", "states", "rows"))
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                _log.warning("%s: left out, its videos are embedded again (%s)", chunk, error)
                continue
            for video_id, state, row in zip(ids.tolist(), states.tolist(), rows, strict=True):
                index = wanted.get(video_id)
                if index is not None and state == video_state(videos[index]):
                    yield index, row

    def add(self, video: Video, state: str, row: Row) -> None:
        """Remember the features of a video whose file was in a state (`video_state`) before.

        They are on disk after 20 seconds at most.
        """
        self._fresh.append((video.id, state, row))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if not self._fresh:
            return
        ids, states, rows = zip(*self._fresh, strict=True)
        write_atomically(self.folder / "about.json", self._about)
        chunk = self.folder / f"{time.time_ns()}-{secrets.token_hex(4)}.npz"
        with atomic_path(chunk) as temporary, temporary.open("wb") as file:
            np.savez(file, ids=np.array(ids), states=np.array(states), rows=np.stack(rows))
        self._fresh.clear()


def video_state(video: Video) -> str:
    """Return what changes when the video's file does."""
    found = look_at(video.path, video.id)
    return f"{found.size} {found.mtime_ns} {video.frames}"
