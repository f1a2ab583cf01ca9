"""Verbs about data sets: what they are, and whether one on disk is complete."""

from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from slic.cli.common import open_catalog
from slic.cli.output import exit_with_error, format_command, print_json, print_result
from slic.cli.parser import Verbs, add_verb
from slic.datasets import DATASETS, sources_of
from slic.datasets.benchmark import Benchmark
from slic.datasets.check import (
    MAX_NAMED_ITEMS,
    DatasetCheck,
    check_dataset,
    describe_gaps,
    describe_problem,
)

_BENCHMARKS = {name: entry for name, entry in DATASETS.items() if isinstance(entry, Benchmark)}


def add_verbs(verbs: Verbs) -> None:
    """Add ``data`` and ``data check``."""
    summary = "describe the supported data sets; check one on disk"
    text = "Describe the supported data sets: origin, terms of use, layout and lists."
    verb = add_verb(verbs, "data", describe_datasets, summary, description=text)
    verb.add_json()
    subverb = add_verb(
        verb.add_subparsers(metavar="check"),
        "check",
        check,
        "compare a data set on disk with its official lists",
        description="Compare a data set on disk with its official lists: classes, numbers of "
        "videos,\nmissing, unreadable and duplicate files. Exit with 1 if it cannot be used.\n\n"
        "  slic data check ucf101 /data/UCF-101",
        formatter_class=RawDescriptionHelpFormatter,
    )
    subverb.add_argument("name", choices=tuple(_BENCHMARKS), help="data set")
    subverb.add_argument("root", type=Path, help="folder of its videos, or of folders of frames")
    subverb.add_annotations()
    subverb.add_json()
    subverb.add_count("--workers", "processes that scan (default: all cores)")


def describe_datasets(arguments: Namespace) -> None:
    """Print the facts of each data set."""
    document, lines = {}, []
    for name, dataset in DATASETS.items():
        document[name] = {"labels": sources_of(name), "facts": dataset.facts}
        lines.append(f"{name}  (--labels {', '.join(sources_of(name))})")
        width = max(map(len, dataset.facts))
        lines += [f"  {title:<{width}}  {fact}" for title, fact in dataset.facts.items()]
    lines.append(
        "--labels also takes the path of a CSV file, or my_module.MySet for a class of your own."
    )
    step = ("data", "check", next(iter(_BENCHMARKS)), "ROOT")
    print_result(arguments, {"datasets": document}, *lines, next_words=step)


def check(arguments: Namespace) -> None:
    """Compare a data set with its official lists; exit with 1 if it cannot be used."""
    benchmark = _BENCHMARKS[arguments.name]
    root, lists = arguments.root, arguments.annotations
    benchmark.find_lists(root, lists)  # fails before the scan, which may take long
    catalog = open_catalog(root, arguments.workers)
    ids = [video.id for video in catalog]
    unreadable = {refused.id: refused.reason for refused in catalog.refused}
    found = check_dataset(benchmark, root=root, ids=ids, unreadable=unreadable, annotations=lists)
    problem = describe_problem(found, benchmark, root=root)
    step = problem or describe_gaps(found, benchmark) or _next_command(benchmark, arguments)
    if arguments.json:
        verdict = {"name": benchmark.name, "root": str(root), "usable": not problem, "next": step}
        print_json(verdict | asdict(found))
    else:
        _print_check(found, f"{benchmark.name} in {root}", classes=benchmark.classes)
        print("not usable." if problem else f"next: {step}")
    if problem:
        exit_with_error(problem, 1)


def _next_command(benchmark: Benchmark, arguments: Namespace) -> str:
    """Return the command that trains on a data set, or the one that evaluates on it."""
    labels = ("--labels", sources_of(benchmark.name)[0])
    lists = ("--annotations", arguments.annotations) if arguments.annotations else ()
    if benchmark.recipe:
        training = ("--recipe", benchmark.recipe, *labels, "--split", "train")
        return format_command("pretrain", arguments.root, *training, *lists)
    scoring = (*labels, "--encoder", "run/encoder")
    return format_command("evaluate", "retrieval", arguments.root, *scoring, *lists)


def _print_check(found: DatasetCheck, title: str, *, classes: int) -> None:
    print(f"{title}: {found.videos} videos, {len(found.classes)} of {classes} classes.")
    print(f"lists: {found.lists or 'none found; the class folders are the labels'}")
    for count in found.counts:
        of = "" if count.official is None else f" of {count.official}"
        number = f"split {count.split_number} " if count.split_number else ""
        print(f"{number}{count.split}: {count.found}{of}")
    unreadable = [f"{name}: {reason}" for name, reason in found.unreadable.items()]
    _print_some("classes without a video", found.missing_classes)
    if found.lists:
        _print_some("missing", found.missing)
    _print_some("unreadable", unreadable)
    _print_some("duplicates", [" = ".join(paths) for paths in found.duplicates])
    _print_some("in no list", found.unlisted)


def _print_some(title: str, items: Sequence[str]) -> None:
    """Print the number of items and the first of them."""
    print(f"{title}: {len(items) or 'none'}")
    for item in items[:MAX_NAMED_ITEMS]:
        print(f"  {item}")
    if len(items) > MAX_NAMED_ITEMS:
        print(f"  and {len(items) - MAX_NAMED_ITEMS} more; --json lists all")
