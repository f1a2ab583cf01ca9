"""Catalogs of videos: a folder or a list of files is scanned, and refused files are named."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload

from slic.errors import CatalogError
from slic.files import absolute, read_csv, reason_of
from slic.storage import RemotePath, id_and_path, location
from slic.videos import scan_cache
from slic.videos.objects import find_objects, pin_objects
from slic.videos.parquet import read_rows
from slic.videos.scanning import (
    VIDEO_SUFFIXES,
    Found,
    Scanner,
    Verdict,
    find_videos,
    look_at,
    scan,
)
from slic.videos.segments import cut
from slic.videos.set_aside import reason_set_aside
from slic.videos.video import Refused, Video

__all__ = ["Catalog", "Refused", "Video"]

LIST_SUFFIXES = frozenset({".csv", ".parquet", ".pq"})
CACHE_NAME = ".slic-catalog.scan"
SAVE_EVERY_SECONDS = 60.0
NAMED_REFUSALS = 5  # how many refused files an error message names


@dataclass(frozen=True)
class Catalog(Sequence[Video]):
    """The usable videos of a collection in the order of their ids, and the refused ones.

    Attributes:
        root: The folder that the ids are relative to.
        videos: Sorted by id, no id twice; segments of a video are in the order of time.
        refused: Sorted by id, each with its reason.
    """

    root: Path
    videos: tuple[Video, ...]
    refused: tuple[Refused, ...] = ()

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        workers: int | None = None,
        scanner: Scanner | None = None,
        cache: bool = True,
        progress: bool = True,
    ) -> "Catalog":
        """Scan a folder and all below it for video files and folders of numbered frames.

        The results are cached in ``.slic-catalog.scan`` in the folder, so that they move with
        the videos and serve all users, or in the user's cache if the folder cannot be written. Only
        files whose size or modification time differs are scanned again.

        Args:
            path: The folder, or one of object storage such as ``s3://bucket/videos``.
            workers: Number of videos scanned at a time; None for one on each core.
            scanner: Scans in place of this machine, such as `slic.engines.scanning.scanner`.
            cache: Whether to use and write the cache.
            progress: Whether to show a progress bar on stderr.

        Raises:
            CatalogError: The folder does not exist or has no video.

        Example:
            >>> catalog = Catalog.from_folder("videos")
            >>> len(catalog), len(catalog.refused)
            (120, 2)
        """
        root = location(path)
        if isinstance(root, RemotePath):
            found, refused = find_objects(root)
        else:
            found, refused = find_videos(_folder(root))
        if not found and not refused:
            known = " ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
            raise CatalogError(f"{root}: no video found ({known}, or folders of numbered frames).")
        places = scan_cache.cache_places(root, CACHE_NAME) if cache else []
        look = scanner or partial(scan, workers=workers, progress=progress)
        verdicts = _scan_cached(found, places, look)
        return _catalog(root, verdicts, refused)

    @classmethod
    def from_list(
        cls,
        path: str | Path,
        *,
        workers: int | None = None,
        scanner: Scanner | None = None,
        cache: bool = True,
        progress: bool = True,
    ) -> "Catalog":
        """Scan the videos that a CSV or Parquet file lists in its column ``path``.

        Paths are relative to the list's folder, absolute, or addresses such as
        ``s3://bucket/a.mp4`` and ``https://host/a.mp4``; other columns are ignored. An id is
        relative to that folder where the video lies below it, else the absolute path or the
        address without its secrets. The list may have an address itself. The other arguments are
        those of :meth:`from_folder`.

        Raises:
            CatalogError: No such list, no such column, no row, or a video listed twice.
        """
        listing = location(path)
        folder = listing.parent
        root = folder if isinstance(folder, RemotePath) else _folder(absolute(folder))
        found = _look_at_all([id_and_path(name, root) for name in _paths_in(listing)])
        (most_listed, times), *_ = Counter(thing.id for thing in found).most_common(1)
        if times > 1:
            raise CatalogError(f"{listing}: {most_listed} is listed more than once.")
        name = f".{listing.name}{CACHE_NAME}"
        places = scan_cache.cache_places(root, name) if cache else []
        look = scanner or partial(scan, workers=workers, progress=progress)
        verdicts = _scan_cached(found, places, look)
        return _catalog(root, verdicts, [])

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Video, ...]: ...
    def __getitem__(self, index: int | slice) -> Video | tuple[Video, ...]:
        return self.videos[index]

    def __len__(self) -> int:
        return len(self.videos)

    def subset(self, ids: Collection[str]) -> "Catalog":
        """Return a catalog of these videos only, in the order of this one.

        Raises:
            CatalogError: An id is not in the catalog; a refused one is named with its reason.
        """
        wanted = set(ids)
        if unknown := sorted(wanted - {video.id for video in self.videos}):
            reasons = {refused.id: f" (refused: {refused.reason})" for refused in self.refused}
            first = unknown[0] + reasons.get(unknown[0], "")
            raise CatalogError(f"{self.root}: {len(unknown)} ids not in the catalog, first {first}")
        kept = tuple(video for video in self.videos if video.id in wanted)
        return replace(self, videos=kept, refused=())

    def segments(self, seconds: float, *, stride: float | None = None) -> "Catalog":
        """Return a catalog of segments: stretches of long recordings, each a video of its own.

        A segment has the frames of its video whose presentation times lie in ``[start, start +
        seconds)``. The first one starts with the first frame. A rest at the end that is shorter
        than half a segment joins the segment before it, so a video has at least one segment.
        Stretches with fewer than two frames, such as gaps of a recording, have none.

        Args:
            seconds: Length of a segment, at least 0.1.
            stride: Seconds between two starts, at least 0.1. None is ``seconds``. Segments overlap
                if it is smaller; parts of the videos are left out if it is larger.

        Returns:
            The segments in the order of the videos and of time, and the refused files. Ids are
            media fragments, such as ``door.mp4#t=8,12``.

        Raises:
            RecipeError: ``seconds`` or ``stride`` is out of its range.

        Example:
            >>> [video.id for video in Catalog.from_folder("doors").segments(4.0)][:2]
            ['front.mp4#t=0,4', 'front.mp4#t=4,8']
        """
        pieces = (piece for video in self.videos for piece in cut(video, seconds, stride=stride))
        return replace(self, videos=tuple(pieces))

    def files(self) -> "Catalog":
        """Return the catalog of whole videos that these segments are cut from, each once."""
        return replace(self, videos=tuple({v.whole.id: v.whole for v in self.videos}.values()))

    def find_set_aside(self) -> dict[str, str]:
        """Return the reasons, by id, of the videos that failed to decode before.

        They stay in the catalog, so that a run can go on with the same videos, but reading one of
        them fails at once. A video that has changed since is tried again.
        """
        reasons = ((video.id, reason_set_aside(video.whole)) for video in self.videos)
        return {name: reason for name, reason in reasons if reason}

    def with_refused(self, reasons: Mapping[str, str]) -> "Catalog":
        """Return a catalog without these videos, which are refused, with their reasons by id."""
        refused = [Refused(name, f"set aside earlier: {why}") for name, why in reasons.items()]
        return replace(
            self,
            videos=tuple(video for video in self.videos if video.id not in reasons),
            refused=tuple(sorted([*self.refused, *refused], key=lambda item: item.id)),
        )

    def with_set_aside(self, reasons: Mapping[str, str]) -> "Catalog":
        """Return a catalog in which exactly these videos are set aside.

        Failures that are remembered later change nothing in it. So the samples of a run do not
        depend on when a video failed first, and are the same after a resume.

        Args:
            reasons: Reasons by id; other ids are ignored.
        """
        videos = (replace(v, set_aside=reasons.get(v.id, "")) for v in self.videos)
        return replace(self, videos=tuple(videos))

    def require_usable(self, max_refused_share: float = 0.1) -> None:
        """Raise if too many files were refused, or no video is left.

        Args:
            max_refused_share: Largest share of refused files, in [0, 1].

        Raises:
            CatalogError: The share is larger. The first refused files are named.
        """
        total = len(self.videos) + len(self.refused)
        if self.videos and len(self.refused) <= max_refused_share * total:
            return
        named = "; ".join(f"{r.id}: {r.reason}" for r in self.refused[:NAMED_REFUSALS])
        more = len(self.refused) - NAMED_REFUSALS
        raise CatalogError(
            f"{self.root}: {len(self.refused)} of {total} files cannot be used, "
            f"at most {max_refused_share:.0%} may be ({named}"
            f"{f'; and {more} more' if more > 0 else ''}). Mend them or move them out."
        )


def _look_at_all(listed: list[tuple[str, Path]]) -> list[Found]:
    """Return what tells whether listed videos have changed, in their order."""
    objects = [(name, path) for name, path in listed if isinstance(path, RemotePath)]
    of_objects = iter(pin_objects(objects))
    return [
        next(of_objects) if isinstance(path, RemotePath) else look_at(path, name)
        for name, path in listed
    ]


def is_list(place: Path) -> bool:
    """Return whether a place has the name of a list, and not of a folder."""
    return place.suffix.lower() in LIST_SUFFIXES


def _folder(path: Path) -> Path:
    """Return the folder if it can be listed."""
    try:
        next(path.iterdir(), None)
    except NotADirectoryError as error:
        raise CatalogError(f"{path}: is a file; give the folder of videos.") from error
    except OSError as error:
        raise CatalogError(f"{path}: this folder cannot be read ({reason_of(error)}).") from error
    return path


def _scan_cached(found: list[Found], places: list[Path], look: Scanner) -> list[Verdict]:
    """Return a verdict on each video: the cached one if nothing changed, else a new one.

    The cache is written every minute, and when the scan is interrupted. So a kill costs a minute.
    """
    verdicts = scan_cache.load(places, found)
    known = {verdict.found.id for verdict in verdicts}
    fresh = [thing for thing in found if thing.id not in known]
    if not fresh:
        return verdicts
    try:
        due = time.monotonic() + SAVE_EVERY_SECONDS
        for verdict in look(fresh):
            verdicts.append(verdict)
            if (now := time.monotonic()) > due:
                scan_cache.save(places, verdicts)  # of a million takes eight seconds
                due = time.monotonic() + max(SAVE_EVERY_SECONDS, 20 * (time.monotonic() - now))
    finally:
        scan_cache.save(places, verdicts)
    return verdicts


def _catalog(root: Path, verdicts: Iterable[Verdict], refused: list[Refused]) -> Catalog:
    outcomes = [verdict.outcome for verdict in verdicts]
    videos = (outcome for outcome in outcomes if isinstance(outcome, Video))
    refused = refused + [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    return Catalog(
        root=root,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        refused=tuple(sorted(refused, key=lambda item: item.id)),
    )


def _paths_in(listing: Path) -> list[str]:
    """Return the column ``path`` of a CSV or Parquet file."""
    if listing.suffix.lower() not in {".parquet", ".pq"}:
        return [row["path"] for _, row in read_csv(listing, "path")]
    try:
        with listing.open("rb") as file:  # given a path, it takes "a:b" for an address
            table = read_rows(file, listing.stat().st_size, ["path"])
    except OSError as error:
        raise CatalogError(f"{listing}: cannot be read ({reason_of(error)}).") from error
    except ValueError as error:
        raise CatalogError(f"{listing}: cannot be read as a Parquet file ({error}).") from error
    paths = table["path"].to_pylist()
    if not paths:
        raise CatalogError(f"{listing}: has no rows.")
    for number, path in enumerate(paths, start=1):
        if not isinstance(path, str) or not path or "\0" in path:
            raise CatalogError(f"{listing}: row {number} has no path.")
    return list(paths)
