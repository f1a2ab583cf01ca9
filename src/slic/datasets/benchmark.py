"""Public data sets with official lists, and matching their videos with those on disk."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from slic.datasets.base import Labeller, require_labelled_videos
from slic.datasets.labels import Labels
from slic.errors import LabelError
from slic.files import reason_of


class OfficialVideo(NamedTuple):
    """A row of the official lists.

    Attributes:
        name: Name in the list, such as ``Archery/v_Archery_g01_c01.avi``.
        label: Class name; None if the list has none.
        split: ``"train"``, ``"val"`` or ``"test"``; None if the video is in none of them.
    """

    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A public data set with official lists; a `slic.datasets.base.Dataset`.

    Attributes:
        name: Its key in ``DATASETS``.
        classes: Number of classes.
        arguments: Numbers of its official splits; one empty string if there is only one.
        facts: Title and text of what describes it: ``origin`` (who published it, how many videos it
            has), ``terms`` of use, approximate ``size`` on disk, and the expected paths of the
            videos (``layout``) and of the official ``lists``.
        official_counts: Official number of videos by split number and split; empty if there is no
            official number.
        lists_folder: Usual name of the folder of official lists.
        lists_patterns: Shell patterns; a folder of lists contains a file that matches one.
        recipe: Name of the recipe that trains on it as the paper does; None if the paper only
            evaluates on it.
        missing_videos_are_normal: Videos have disappeared at the source, so no one has all.
        read_lists: Reads the lists of one split number from their folder.
        aliases: Names that may identify a video, the most specific first, given its path.
        labels_without_lists: Labels videos by their paths if there are no lists; None if the
            lists are required.
    """

    name: str
    classes: int
    arguments: tuple[str, ...]
    facts: Mapping[str, str]
    official_counts: Mapping[str, Mapping[str, int]]
    lists_folder: str
    lists_patterns: tuple[str, ...]
    recipe: str | None = None
    missing_videos_are_normal: bool = False
    read_lists: Callable[[Path, str], Iterable[OfficialVideo]]
    aliases: Callable[[str], tuple[str, ...]]
    labels_without_lists: Labeller | None = None

    def labeller(self, argument: str, *, root: Path, annotations: Path | None = None) -> Labeller:
        """Read the official lists of one split number.

        Args:
            argument: One of ``arguments``.
            root: Folder of videos.
            annotations: Folder of the official lists; None to search in and beside ``root``.

        Raises:
            LabelError: There is no such split number, or lists are missing or damaged. The returned
                function raises it if no video has a label or two files are the same video.
        """
        if argument not in self.arguments:
            known = " or ".join(f"{self.name}:{n}" if n else self.name for n in self.arguments)
            raise LabelError(f"{self.name}: no split {argument!r}; use {known}.")
        lists = self.find_lists(root, annotations)
        if lists is None:
            assert self.labels_without_lists is not None
            return self.labels_without_lists
        videos = self.read(lists, argument)
        return lambda ids: require_labelled_videos(
            self._labels_of_matches(videos, ids), ids, source=self.name, root=root
        )

    def find_lists(self, root: Path, annotations: Path | None) -> Path | None:
        """Return the folder of official lists.

        Args:
            root: Folder of videos. Its parent is searched too.
            annotations: The only folder to search, if given.

        Returns:
            The folder; None if there is none and the paths of the videos are enough.

        Raises:
            LabelError: There is none although it is required or ``annotations`` is given.
        """
        nearby = Path(os.path.normpath(root.absolute()))  # without following links
        places = [nearby, nearby.parent] if annotations is None else [annotations]
        for folder in (path for place in places for path in (place / self.lists_folder, place)):
            if any(any(folder.glob(pattern)) for pattern in self.lists_patterns):
                return folder
        if self.labels_without_lists and annotations is None:
            return None
        if annotations is None and not root.exists():
            raise LabelError(f"{root}: there is no such folder.")
        where = annotations or f"{root} or beside it"
        raise LabelError(
            f"{self.name}: no official lists ({self.lists_folder}/{self.lists_patterns[0]}) in "
            f"{where}. Put them there, or name their folder (--annotations DIR)."
        )

    def read(self, lists: Path, split_number: str) -> tuple[OfficialVideo, ...]:
        """Return the rows of the official lists of one split number.

        Raises:
            LabelError: A list is missing or damaged, there are no rows, or a video has two.
        """
        return require_unique(self.read_lists(lists, split_number), lists=lists)

    def _labels_of_matches(self, videos: Collection[OfficialVideo], ids: Collection[str]) -> Labels:
        """Return labels by the ids of the matches, or by the official name if there is none."""
        matches = match_videos(videos, ids, aliases=self.aliases)
        if duplicates := [paths for paths in matches.values() if len(paths) > 1]:
            raise LabelError(f"{self.name}: {describe_duplicates(duplicates)}")
        rows = {matches.get(video.name, [video.name])[0]: video for video in videos}
        return Labels(
            {name: video.label for name, video in rows.items() if video.label},
            {name: video.split for name, video in rows.items() if video.split},
        )


def path_aliases(path: str) -> tuple[str, ...]:
    """Return the name of a video with and without its folder, with and without its suffix.

    Official lists name files. On disk there may be folders of frames without the suffix, files of
    another format, additional parent folders, or no class folders.

    Example:
        >>> path_aliases("UCF-101/YoYo/v_YoYo_g01_c01.avi")
        ('YoYo/v_YoYo_g01_c01.avi', 'YoYo/v_YoYo_g01_c01', 'v_YoYo_g01_c01.avi', 'v_YoYo_g01_c01')
    """
    *_, folder, name = ("", *path.split("/"))
    stem = name.rpartition(".")[0] or name
    return f"{folder}/{name}", f"{folder}/{stem}", name, stem


def match_videos(
    videos: Iterable[OfficialVideo],
    ids: Iterable[str],
    *,
    aliases: Callable[[str], tuple[str, ...]],
) -> dict[str, list[str]]:
    """Match videos on disk with official videos by their names.

    Args:
        videos: Official videos.
        ids: Ids of the videos on disk.
        aliases: Names that may identify a video, the most specific first, given its path.

    Returns:
        Sorted ids by official name, for each official video with at least one match.
    """
    official_name: dict[str, str | None] = {}
    for video in videos:
        for alias in aliases(video.name):
            if official_name.setdefault(alias, video.name) != video.name:
                official_name[alias] = None  # ambiguous, so it identifies neither video
    matches: dict[str, list[str]] = {}
    for video_id in sorted(ids):
        names = (official_name.get(alias) for alias in aliases(video_id))
        if name := next(filter(None, names), None):
            matches.setdefault(name, []).append(video_id)
    return matches


def describe_duplicates(duplicates: Sequence[Sequence[str]]) -> str:
    """Name the first group of files that are the same video and count the other groups.

    Args:
        duplicates: Ids of the files of each video that has several.
    """
    first = " and ".join(map(repr, duplicates[0]))
    others = f" (and {len(duplicates) - 1} more)" if len(duplicates) > 1 else ""
    return f"{first} are the same video{others}. Keep one file for each video."


def require_unique(videos: Iterable[OfficialVideo], *, lists: Path) -> tuple[OfficialVideo, ...]:
    """Return the rows of official lists.

    Args:
        videos: Rows of the lists.
        lists: Folder of the lists, for the message.

    Raises:
        LabelError: There are no rows, or a video has two.
    """
    by_name: dict[str, OfficialVideo] = {}
    for video in videos:
        if video.name in by_name:
            raise LabelError(
                f"{lists}: {video.name!r} is listed twice. Download the official lists again."
            )
        by_name[video.name] = video
    if not by_name:
        raise LabelError(f"{lists}: the official lists are empty. Download them again.")
    return tuple(by_name.values())


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of an official list that is not blank.

    Raises:
        LabelError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error
        raise LabelError(f"{path}: this official list cannot be read ({reason}).") from error
    return ((number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip())
