"""Where labels come from: one word names a CSV file, the folders, or a benchmark's lists."""

from collections.abc import Callable, Collection
from pathlib import Path

from slic.datasets.base import Benchmark, OfficialVideo, find_videos, told_doubled
from slic.datasets.hmdb51 import HMDB51
from slic.datasets.kinetics400 import KINETICS400
from slic.datasets.table import Labels, read_labels
from slic.datasets.tree import labels_of_tree
from slic.datasets.ucf101 import UCF101
from slic.errors import CatalogError

BENCHMARKS = {benchmark.name: benchmark for benchmark in (UCF101, HMDB51, KINETICS400)}

Labeller = Callable[[Collection[str]], Labels]  # from the ids of the videos that are there


def labels_from(source: str, *, root: Path, annotations: Path | None = None) -> Labeller:
    """Read a source of labels; the videos need not be known yet.

    Args:
        source: A CSV file with the columns ``path,label[,split]``; ``ucf101:1``, ``hmdb51:3`` or
            ``kinetics400`` for the official lists; ``tree`` for ``[<split>/]<class>/...``.
        root: The folder of videos; official lists are looked for in it and beside it.
        annotations: The folder of official lists, where it is another.

    Raises:
        CatalogError: No such source or split, or lists that are missing or damaged. The returned
            function raises it when no video has a label or two files are the same video.
    """
    name, _, split = source.partition(":")
    if name in BENCHMARKS:
        return _official_labels(BENCHMARKS[name], split, root=root, annotations=annotations)
    if annotations:
        raise CatalogError(f"--annotations {annotations}: {source} has no official lists.")
    if source == "tree":
        return labels_of_tree
    if not Path(source).exists():
        known = ", ".join(word for one in BENCHMARKS.values() for word in one.sources())
        raise CatalogError(f"{source}: no such CSV file, and no source of labels: {known}, tree.")
    table = read_labels(source)
    return lambda ids: _require_some(table, ids, source=source, root=root)


def _official_labels(
    benchmark: Benchmark, split: str, *, root: Path, annotations: Path | None
) -> Labeller:
    if split not in benchmark.splits:
        known = " or ".join(benchmark.sources())
        raise CatalogError(f"{benchmark.name}: no split {split!r}; say {known}.")
    lists = benchmark.find_lists(root, annotations)
    if lists is None:
        return labels_of_class_folders
    videos = benchmark.read(lists, split)
    return lambda ids: _require_some(
        _labels_of(benchmark, videos, ids), ids, source=benchmark.name, root=root
    )


def labels_of_class_folders(ids: Collection[str]) -> Labels:
    """Read Kinetics' class folders, whose names have spaces or underscores, without its lists."""
    tree = labels_of_tree(ids)
    return Labels({name: label.replace("_", " ") for name, label in tree.label.items()}, tree.split)


def _labels_of(
    benchmark: Benchmark, videos: Collection[OfficialVideo], ids: Collection[str]
) -> Labels:
    found = find_videos(videos, ids, handles=benchmark.handles)
    if doubled := [both for both in found.values() if len(both) > 1]:
        raise CatalogError(f"{benchmark.name}: {told_doubled(doubled)}")
    rows = {found.get(video.name, [video.name])[0]: video for video in videos}
    return Labels(
        {name: video.label for name, video in rows.items() if video.label},
        {name: video.split for name, video in rows.items() if video.split},
    )


def _require_some(labels: Labels, ids: Collection[str], *, source: str, root: Path) -> Labels:
    if not labels.label.keys().isdisjoint(ids):
        return labels
    first = f", the first is {next(iter(labels.label))!r}" if labels.label else ""
    raise CatalogError(
        f"{source}: none of its {len(labels.label)} labelled videos is in {root}{first}. "
        "Open the folder that its names are relative to."
    )
