"""What is known of a benchmark, and which of the videos on disk are which of its videos."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from slic.errors import CatalogError

Handles = Callable[[str], tuple[str, ...]]


class OfficialVideo(NamedTuple):
    """A row of the official lists.

    Attributes:
        name: As listed, such as ``Archery/v_Archery_g01_c01.avi``.
        label: Its class; None where the list does not tell.
        split: ``train``, ``val`` or ``test``; None where it is in none of them.
    """

    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A public data set with official lists.

    Attributes:
        name: The word that the command knows it by.
        classes: How many there are.
        splits: Numbers of its official splits; one empty word where there is a single one.
        counts: Official number of videos by split and part; empty where the lists alone tell.
        origin: Who made it and how many videos it has.
        terms: Under which conditions it may be used.
        size: What it takes on disk.
        layout: Where its videos are looked for.
        lists: Where its official lists are looked for.
        lists_folder: The name of the folder of official lists.
        lists_pattern: A file that every such folder has, one of these shell patterns.
        next_step: The command that uses it; ``{root}`` stands for the folder of videos.
        folders_tell: Class and split folders stand in for missing lists.
        gaps_are_normal: Copies lack videos, because they are gone at the source.
        read: Reads the lists of one split from their folder.
        handles: Names that a video may go by, the most telling first, given its path.
    """

    name: str
    classes: int
    splits: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    origin: str
    terms: str
    size: str
    layout: str
    lists: str
    lists_folder: str
    lists_pattern: tuple[str, ...]
    next_step: str
    folders_tell: bool
    gaps_are_normal: bool
    read: Callable[[Path, str], tuple[OfficialVideo, ...]]
    handles: Handles

    def sources(self) -> tuple[str, ...]:
        """Return the words that ``--labels`` takes for it, such as ``ucf101:1``."""
        return tuple(f"{self.name}:{split}" if split else self.name for split in self.splits)

    def find_lists(self, root: Path, annotations: Path | None) -> Path | None:
        """Return the folder of official lists: ``annotations``, or one in or beside ``root``.

        None when there is none and the class folders of the set tell enough.

        Raises:
            CatalogError: There is none and it is needed, or was named.
        """
        near = Path(os.path.normpath(root.absolute()))  # not where links lead to
        places = [near, near.parent] if annotations is None else [annotations]
        for folder in (path for place in places for path in (place / self.lists_folder, place)):
            if any(any(folder.glob(pattern)) for pattern in self.lists_pattern):
                return folder
        if self.folders_tell and annotations is None:
            return None
        where = annotations or f"{root} or beside it"
        raise CatalogError(
            f"{self.name}: no official lists ({self.lists_folder}/{self.lists_pattern[0]}) in "
            f"{where}. Put them there, or name their folder with --annotations."
        )


def path_handles(path: str) -> tuple[str, ...]:
    """Return a video's name with and without its folder, with and without a suffix.

    The official lists name files; a copy may have folders of frames without the suffix, files of
    another format, more folders above, or no class folders.
    """
    *_, folder, name = ("", *path.split("/"))
    stem = name.rpartition(".")[0] or name
    return f"{folder}/{name}", f"{folder}/{stem}", name, stem


def find_videos(
    videos: Collection[OfficialVideo], ids: Iterable[str], *, handles: Handles
) -> dict[str, list[str]]:
    """Return the ids of each official video that is there, by its official name."""
    index: dict[str, str | None] = {}
    for video in videos:
        for handle in handles(video.name):
            if index.setdefault(handle, video.name) != video.name:
                index[handle] = None  # two videos go by it, so it tells neither
    found: dict[str, list[str]] = {}
    for video_id in sorted(ids):
        names = (index.get(handle) for handle in handles(video_id))
        if name := next(filter(None, names), None):
            found.setdefault(name, []).append(video_id)
    return found


def told_doubled(doubled: Sequence[Sequence[str]]) -> str:
    """Say which files are the same video, and what to do."""
    more = f" (and {len(doubled) - 1} more are doubled)" if len(doubled) > 1 else ""
    same = " and ".join(map(repr, doubled[0]))
    return f"{same} are the same video{more}: keep one of each, or give the folder of one copy."


def require_unique(videos: Iterable[OfficialVideo], *, source: Path) -> tuple[OfficialVideo, ...]:
    """Return the videos; none, or one that is listed twice, is a CatalogError."""
    seen: dict[str, OfficialVideo] = {}
    for video in videos:
        if video.name in seen:
            raise CatalogError(f"{source}: {video.name!r} is listed twice. Get the lists anew.")
        seen[video.name] = video
    if not seen:
        raise CatalogError(f"{source}: the official lists in it list no video. Get them anew.")
    return tuple(seen.values())


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the numbers and texts of the lines that are not blank.

    Raises:
        CatalogError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CatalogError(f"{path}: this official list cannot be read ({reason}).") from error
    return ((number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip())
