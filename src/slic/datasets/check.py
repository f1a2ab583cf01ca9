"""Check a data set on disk against its official lists."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slic.datasets.benchmark import Benchmark, OfficialVideo, describe_duplicates, match_videos

SPLIT_NAMES = ("train", "val", "test")
MAX_UNREADABLE_SHARE = 0.1  # as in `Catalog.require_usable`, which stops a run above it
MAX_NAMED_ITEMS = 5  # in one message


@dataclass(frozen=True)
class SplitCount:
    """Number of videos in one split.

    Attributes:
        split_number: Number of the official split; empty if there is only one.
        split: ``"train"``, ``"val"`` or ``"test"``.
        found: Readable videos on disk.
        listed: Videos in the lists; None without lists.
        official: Published number of videos, or ``listed`` if none is published.
    """

    split_number: str
    split: str
    found: int
    listed: int | None
    official: int | None


@dataclass(frozen=True, kw_only=True)
class DatasetCheck:
    """What a data set on disk contains and lacks.

    Attributes:
        lists: Folder of the official lists; None if the class folders replace them.
        videos: Number of official videos that are on disk and readable.
        classes: Classes with such a video.
        missing_classes: Official classes without one.
        counts: Number of videos by split number and split.
        missing: Names of official videos that are not on disk.
        unreadable: Reason by the id of each file that cannot be used.
        duplicates: Ids of readable files that are the same video, grouped.
        unlisted: Ids of readable videos that are in no list.
    """

    lists: Path | None
    videos: int
    classes: tuple[str, ...]
    missing_classes: tuple[str, ...]
    counts: tuple[SplitCount, ...]
    missing: tuple[str, ...]
    unreadable: Mapping[str, str]
    duplicates: tuple[tuple[str, ...], ...]
    unlisted: tuple[str, ...]


def check_dataset(
    benchmark: Benchmark,
    *,
    root: Path,
    ids: Collection[str],
    unreadable: Mapping[str, str],
    annotations: Path | None = None,
) -> DatasetCheck:
    """Compare the videos of a folder with all official splits of a data set.

    Args:
        benchmark: The data set.
        root: Folder of its videos.
        ids: Ids of the readable videos in the folder.
        unreadable: Reason by the id of each other video.
        annotations: Folder of the official lists; None to search in and beside ``root``.

    Raises:
        LabelError: The lists are missing or damaged.
    """
    lists, aliases = benchmark.find_lists(root, annotations), benchmark.aliases
    if lists:
        splits = {number: benchmark.read(lists, number) for number in benchmark.arguments}
    else:
        splits, aliases = {"": _videos_by_folders(benchmark, ids)}, lambda path: (path,)
    official = {video.name: video for videos in splits.values() for video in videos}
    matches = match_videos(official.values(), [*ids, *unreadable], aliases=aliases)
    readable = {name: [p for p in paths if p not in unreadable] for name, paths in matches.items()}
    found = {name for name, paths in readable.items() if paths}
    classes = {label for name in found if (label := official[name].label)}
    matched_ids = {path for paths in matches.values() for path in paths}
    return DatasetCheck(
        lists=lists,
        videos=len(found),
        classes=tuple(sorted(classes)),
        missing_classes=tuple(sorted({v.label for v in official.values() if v.label} - classes)),
        counts=tuple(_count_splits(benchmark, splits, found, from_lists=lists is not None)),
        missing=tuple(sorted(official.keys() - matches.keys())),
        unreadable=unreadable,
        duplicates=tuple(tuple(paths) for paths in readable.values() if len(paths) > 1),
        unlisted=tuple(sorted(set(ids) - matched_ids)),
    )


def describe_problem(check: DatasetCheck, benchmark: Benchmark, *, root: Path) -> str | None:
    """Describe why a data set cannot be used.

    Args:
        check: Result of `check_dataset`.
        benchmark: The data set.
        root: Folder of its videos, for the message.

    Returns:
        The first problem and how to fix it, in one line; None if the data set can be used.
    """
    for count in check.counts:
        if count.official and count.listed != count.official:
            return (
                f"{check.lists}: split {count.split_number} lists {count.listed} {count.split} "
                f"videos instead of {count.official}. Download the official lists."
            )
    if not check.classes:
        return f"{root}: contains no video of {benchmark.name}. Give the folder of its videos."
    if check.duplicates:
        return describe_duplicates(check.duplicates)
    if check.missing_classes:
        classes = _name_some(check.missing_classes)
        return f"every video of {classes} is missing. Unpack these classes again."
    if len(check.classes) < benchmark.classes:
        return (
            f"{root}: contains {len(check.classes)} of {benchmark.classes} classes. Add the rest."
        )
    share = len(check.unreadable) / (len(check.unreadable) + check.videos)
    if share > MAX_UNREADABLE_SHARE:
        files = _name_some(list(check.unreadable))
        return f"{share:.0%} of the files are unreadable. Download {files} again."
    return None


def describe_gaps(check: DatasetCheck, benchmark: Benchmark) -> str | None:
    """Describe which videos a usable data set lacks.

    Args:
        check: Result of `check_dataset`.
        benchmark: The data set. Missing videos are not reported if they are normal for it.

    Returns:
        What to download, in one line; None if nothing is missing.
    """
    if check.unreadable:
        files = _name_some(list(check.unreadable))
        return f"Download {files} again; until then unreadable files are left out."
    if check.missing and not benchmark.missing_videos_are_normal:
        names = _name_some(check.missing)
        return f"Download {names}; until then results are on a part of the data set."
    return None


def _count_splits(
    benchmark: Benchmark,
    splits: Mapping[str, tuple[OfficialVideo, ...]],
    found_names: Collection[str],
    *,
    from_lists: bool,
) -> Iterator[SplitCount]:
    for number, videos in splits.items():
        listed = Counter(video.split for video in videos)
        found = Counter(video.split for video in videos if video.name in found_names)
        official = benchmark.official_counts.get(number, {})
        for split in SPLIT_NAMES:
            if listed[split] or split in official:
                size = listed[split] if from_lists else None
                yield SplitCount(number, split, found[split], size, official.get(split, size))


def _videos_by_folders(benchmark: Benchmark, ids: Collection[str]) -> tuple[OfficialVideo, ...]:
    """Return the videos on disk as if they were the official ones."""
    assert benchmark.labels_without_lists is not None  # `find_lists` raises otherwise
    labels = benchmark.labels_without_lists(ids)
    return tuple(
        OfficialVideo(name, label, labels.split.get(name)) for name, label in labels.label.items()
    )


def _name_some(items: Sequence[str]) -> str:
    """Name the first items and count the others."""
    others = len(items) - MAX_NAMED_ITEMS
    return ", ".join(items[:MAX_NAMED_ITEMS]) + (f" and {others} more" if others > 0 else "")
