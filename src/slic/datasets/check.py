"""Checking a copy of a benchmark against its official lists."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slic.datasets.base import Benchmark, OfficialVideo, find_videos, told_doubled
from slic.datasets.sources import labels_of_class_folders

PARTS = ("train", "val", "test")
MAX_UNREADABLE_SHARE = 0.1  # as in `Catalog.require_usable`: with more, no run starts
NAMED = 5  # how many things a sentence names


@dataclass(frozen=True)
class Part:
    """The videos of one part of one split.

    Attributes:
        split: Its number, or an empty word.
        part: ``train``, ``val`` or ``test``.
        found: Readable ones in the copy.
        listed: Those in the lists; None where there are no lists.
        official: How many there should be; None where neither lists nor publication tell.
    """

    split: str
    part: str
    found: int
    listed: int | None
    official: int | None


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a copy of a benchmark has and lacks.

    Attributes:
        lists: The folder of the official lists; None where the class folders stand in for them.
        videos: Listed ones that are there and readable.
        classes: Classes with such a video.
        missing_classes: Listed classes without one.
        parts: Counts by split and part.
        missing: Official names of videos that are not there.
        unreadable: Why a file cannot be used, by id.
        doubled: Ids of readable files that are the same video.
        unlisted: Ids of readable videos that are in no list.
    """

    lists: Path | None
    videos: int
    classes: tuple[str, ...]
    missing_classes: tuple[str, ...]
    parts: tuple[Part, ...]
    missing: tuple[str, ...]
    unreadable: Mapping[str, str]
    doubled: tuple[tuple[str, ...], ...]
    unlisted: tuple[str, ...]


def check_copy(
    benchmark: Benchmark,
    *,
    root: Path,
    ids: Collection[str],
    unreadable: Mapping[str, str],
    annotations: Path | None = None,
) -> Copy:
    """Compare a copy with all official splits.

    Args:
        benchmark: Of which it is a copy.
        root: Its folder.
        ids: The readable videos in it.
        unreadable: The others, with reasons.
        annotations: The folder of official lists, where they are not in or beside ``root``.

    Raises:
        CatalogError: The lists are missing or damaged.
    """
    lists, handles = benchmark.find_lists(root, annotations), benchmark.handles
    if lists:
        splits = {split: benchmark.read(lists, split) for split in benchmark.splits}
    else:
        splits, handles = {"": _listed_by_folders(ids)}, _itself
    videos = {video.name: video for listed in splits.values() for video in listed}
    found = find_videos(videos.values(), [*ids, *unreadable], handles=handles)
    readable = {name: [path for path in found[name] if path not in unreadable] for name in found}
    there = {name for name, paths in readable.items() if paths}
    classes = {label for name in there if (label := videos[name].label)}
    known = {path for paths in found.values() for path in paths}
    return Copy(
        lists=lists,
        videos=len(there),
        classes=tuple(sorted(classes)),
        missing_classes=tuple(sorted({v.label for v in videos.values() if v.label} - classes)),
        parts=tuple(_parts(benchmark, splits, there, from_lists=lists is not None)),
        missing=tuple(sorted(videos.keys() - found.keys())),
        unreadable=unreadable,
        doubled=tuple(tuple(paths) for paths in readable.values() if len(paths) > 1),
        unlisted=tuple(sorted(set(ids) - known)),
    )


def advise(
    copy: Copy, benchmark: Benchmark, *, root: Path, annotations: Path | None = None
) -> tuple[bool, str]:
    """Return whether a copy can be used as it is, and the one thing to do next."""
    if problem := _problem(copy, benchmark, root):
        return False, problem
    if copy.unreadable:
        again = _names(list(copy.unreadable))
        return True, f"get {again} again; runs leave out what is unreadable."
    if copy.missing and not benchmark.gaps_are_normal:
        return True, f"get {_names(copy.missing)}; until then results are of a part of the set."
    lists = f" --annotations {shlex.quote(str(annotations))}" if annotations else ""
    return True, benchmark.next_step.format(root=shlex.quote(str(root))) + lists


def _problem(copy: Copy, benchmark: Benchmark, root: Path) -> str | None:
    """Say in one line what is wrong with an unusable copy and how to mend it."""
    for part in copy.parts:
        if part.official and part.listed != part.official:
            return (
                f"the lists in {copy.lists} have {part.listed} videos in {part.part} of split "
                f"{part.split}, not {part.official}: get the official ones."
            )
    if not copy.classes:
        return f"none of the videos in {root} is one of {benchmark.name}: give its folder."
    if copy.doubled:
        return told_doubled(copy.doubled)
    if copy.missing_classes:
        return f"every video of {_names(copy.missing_classes)} is missing: unpack them again."
    if len(copy.classes) < benchmark.classes:
        return f"there are {len(copy.classes)} classes, not {benchmark.classes}: get the others."
    share = len(copy.unreadable) / (len(copy.unreadable) + copy.videos)
    if share > MAX_UNREADABLE_SHARE:
        again = _names(list(copy.unreadable))
        return f"{share:.0%} of the files are unreadable: get {again} again."
    return None


def _parts(
    benchmark: Benchmark,
    splits: Mapping[str, tuple[OfficialVideo, ...]],
    there: Collection[str],
    *,
    from_lists: bool,
) -> Iterator[Part]:
    for split, videos in splits.items():
        listed = Counter(video.split for video in videos)
        found = Counter(video.split for video in videos if video.name in there)
        official = benchmark.counts.get(split, {})
        for part in PARTS:
            if listed[part] or part in official:
                size = listed[part] if from_lists else None
                yield Part(split, part, found[part], size, official.get(part, size))


def _listed_by_folders(ids: Collection[str]) -> tuple[OfficialVideo, ...]:
    tree = labels_of_class_folders(ids)
    return tuple(OfficialVideo(name, tree.label[name], tree.split.get(name)) for name in tree.label)


def _itself(path: str) -> tuple[str, ...]:
    return (path,)


def _names(things: Sequence[str]) -> str:
    """Name a few things and count the others."""
    more = len(things) - NAMED
    return ", ".join(things[:NAMED]) + (f" and {more} more" if more > 0 else "")
